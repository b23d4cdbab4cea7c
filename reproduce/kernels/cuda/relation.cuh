// The relation u of pairwise attention, computed where it is needed.

struct Maps {
  const scalar_t *a, *b, *c;
  int depth, height, width, rows, columns;
};

// u of one (output, tap), all channels: from the centre's value of map a and the neighbour's of map b.
struct Relation {
  Maps maps;
  const scalar_t *centre, *other;
  int near, plane;
  bool inside;

  __device__ explicit Relation(const Maps& of)
      : maps(of), centre(of.a), other(of.b), near(-1), plane(of.height * of.width), inside(false) {}

  // At a column of (N, T * L).
  __device__ void place(Spot spot, bool is_there) {
    int outputs = maps.rows * maps.columns, t = spot.at / outputs, o = spot.at % outputs;
    place(spot.n, o / maps.columns, o % maps.columns, t / KERNEL, t % KERNEL, is_there);
  }

  __device__ void place(int n, int oy, int ox, int ky, int kx, bool is_there) {
    inside = is_there;
    if (!is_there) return;
    index_t map = static_cast<index_t>(n) * (maps.depth * plane);
    near = neighbour(oy, ox, ky, kx, maps.height, maps.width);
    centre = pin(maps.a + map + STRIDE * (oy * maps.width + ox));
    other = pin(maps.b + map + (exists(near) ? near : 0));
  }

  __device__ sum_t left(int d) const { return load(centre, d * plane); }
  __device__ sum_t right(int d) const { return exists(near) ? load(other, d * plane) : sum_t(0); }
  __device__ sum_t join(sum_t left, sum_t right, int d) const {
#if FORM == 1
    return left * right + maps.c[d];
#else
    static_cast<void>(d);
    return left - right;
#endif
  }
  __device__ sum_t at(int d) const { return activate(join(left(d), right(d), d)); }
};
