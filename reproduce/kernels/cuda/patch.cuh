// The values of patchwise attention under the folded BatchNorm, computed where they are needed. Row = c * TAPS + t.

struct Maps {
  const scalar_t *psi, *phi, *scale, *shift;
  int depth, height, width, rows, columns;
};

// v and relu(s * v + b) of one output, all rows from ``first`` on.
struct Patch {
  Maps maps;
  index_t map, plane;
  int oy, ox, first;
  bool inside;

  __device__ Patch(const Maps& of, int from)
      : maps(of), map(0), plane(static_cast<index_t>(of.height) * of.width), oy(0), ox(0), first(from), inside(false) {}

  // At a column of (N, L).
  __device__ void place(Spot spot, bool exists) {
    inside = exists;
    if (exists) place(spot.n, spot.at / maps.columns, spot.at % maps.columns);
  }
  __device__ void place(index_t n, int y, int x) {
    map = n * maps.depth * plane;
    oy = y;
    ox = x;
  }
  __device__ int near(int t) const { return neighbour(oy, ox, t / KERNEL, t % KERNEL, maps.height, maps.width); }
  __device__ sum_t neighbour_of(int c, int near) const { return near < 0 ? sum_t(0) : maps.psi[map + c * plane + near]; }
  __device__ sum_t centre_of(int c) const {
    return maps.phi[map + c * plane + static_cast<index_t>(STRIDE * oy) * maps.width + STRIDE * ox];
  }
  __device__ sum_t value(int c, int near) const {
#if CENTRE
    return centre_of(c) - neighbour_of(c, near);
#else
    return neighbour_of(c, near);
#endif
  }
  __device__ bool open(int row, sum_t v) const { return is_open(maps.scale[row] * v + maps.shift[row]); }
  __device__ sum_t at(int k) const {
    int row = first + k;
    if (!inside || row >= maps.depth * TAPS) return 0;
    return activate(maps.scale[row] * value(row / TAPS, near(row % TAPS)) + maps.shift[row]);
  }
};
