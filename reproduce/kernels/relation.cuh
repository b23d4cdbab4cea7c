// The relation u of pairwise attention, computed where it is needed.

struct Maps {
  const scalar_t *a, *b, *c;
  int depth, height, width, rows, columns;
};

// u of one (output, tap), all channels.
struct Relation {
  Maps maps;
  index_t map;
  int centre, near;
  bool inside;

  __device__ Relation(const Maps& of, index_t n)
      : maps(of), map(n * of.depth * of.height * of.width), centre(0), near(-1), inside(false) {}

  __device__ void place(int x, bool exists) {
    inside = exists;
    if (!exists) return;
    int outputs = maps.rows * maps.columns, t = x / outputs, o = x % outputs;
    place(o / maps.columns, o % maps.columns, t / KERNEL, t % KERNEL);
  }

  __device__ void place(int oy, int ox, int ky, int kx) {
    inside = true;
    centre = STRIDE * oy * maps.width + STRIDE * ox;
    near = neighbour(oy, ox, ky, kx, maps.height, maps.width);
  }

  __device__ sum_t left(int d) const {
    return maps.a[map + static_cast<index_t>(d) * maps.height * maps.width + centre];
  }
  __device__ sum_t right(int d) const {
    return near < 0 ? sum_t(0) : maps.b[map + static_cast<index_t>(d) * maps.height * maps.width + near];
  }
  __device__ sum_t value(int d) const {
#if FORM == 1
    return left(d) * right(d) + maps.c[d];
#else
    return left(d) - right(d);
#endif
  }
  __device__ sum_t at(int d) const {
    if (!inside || d >= maps.depth) return 0;
    sum_t u = value(d);
    return u > 0 ? u : sum_t(0);
  }
};
