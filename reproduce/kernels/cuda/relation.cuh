// The relation u of pairwise attention, computed where it is needed.

struct Maps {
  const scalar_t *a, *b, *c;
  int depth, height, width, rows, columns;
};

// u of one (output, tap), all channels.
struct Relation {
  Maps maps;
  index_t map, plane;
  int centre, near;
  bool inside;

  __device__ explicit Relation(const Maps& of)
      : maps(of), map(0), plane(static_cast<index_t>(of.height) * of.width), centre(0), near(-1), inside(false) {}

  // At a column of (N, T * L).
  __device__ void place(Spot spot, bool exists) {
    int outputs = maps.rows * maps.columns, t = spot.at / outputs, o = spot.at % outputs;
    place(spot.n, o / maps.columns, o % maps.columns, t / KERNEL, t % KERNEL, exists);
  }

  __device__ void place(index_t n, int oy, int ox, int ky, int kx, bool exists) {
    inside = exists;
    if (!exists) return;
    map = n * maps.depth * plane;
    centre = STRIDE * oy * maps.width + STRIDE * ox;
    near = neighbour(oy, ox, ky, kx, maps.height, maps.width);
  }

  __device__ sum_t left(int d) const { return maps.a[map + d * plane + centre]; }
  __device__ sum_t right(int d) const { return near < 0 ? sum_t(0) : maps.b[map + d * plane + near]; }
  __device__ sum_t join(sum_t left, sum_t right, int d) const {
#if FORM == 1
    return left * right + maps.c[d];
#else
    static_cast<void>(d);
    return left - right;
#endif
  }
  __device__ sum_t at(int d) const {
    if (!inside || d >= maps.depth) return 0;
    return activate(join(left(d), right(d), d));
  }
};
