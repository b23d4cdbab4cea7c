// The values of patchwise attention under the folded BatchNorm, computed where they are needed, tap by tap: for one tap
// the rows are the ``depth`` channels, and of weight1, scale and shift every TAPS-th value is one of theirs.

struct Maps {
  const scalar_t *psi, *phi, *scale, *shift;
  int depth, height, width, rows, columns;
};

// v and relu(s * v + b) of one output and tap, all channels from ``first`` on.
struct Patch {
  Maps maps;
  const scalar_t *centre, *other, *scale, *shift;
  int near, plane, first;
  bool inside;

  __device__ Patch(const Maps& of, int from, int t)
      : maps(of), centre(of.phi), other(of.psi), near(-1), plane(of.height * of.width), first(from), inside(false) {
    take(t);
  }

  // Go on to tap t.
  __device__ void take(int t) {
    scale = maps.scale + first * TAPS + t;
    shift = maps.shift + first * TAPS + t;
  }
  // At a column of (N, L), under tap t.
  __device__ void place(Spot spot, int t, bool is_there) {
    inside = is_there;
    if (is_there) place(spot.n, spot.at / maps.columns, spot.at % maps.columns, t);
  }
  __device__ void place(int n, int oy, int ox, int t) {
    index_t map = static_cast<index_t>(n) * (maps.depth * plane) + first * plane;
    near = neighbour(oy, ox, t / KERNEL, t % KERNEL, maps.height, maps.width);
    other = pin(maps.psi + map + (exists(near) ? near : 0));
#if CENTRE
    centre = pin(maps.phi + map + STRIDE * (oy * maps.width + ox));
#endif
  }
  __device__ bool is_inside() const { return inside; }
  __device__ int high() const { return maps.depth - first; }
  __device__ sum_t value(int c) const {
    sum_t v = exists(near) ? load(other, c * plane) : sum_t(0);
#if CENTRE
    return load(centre, c * plane) - v;
#else
    return v;
#endif
  }
  __device__ bool open(int c, sum_t v) const { return is_open(load(scale, c * TAPS) * v + load(shift, c * TAPS)); }
  __device__ sum_t at(int c) const { return activate(load(scale, c * TAPS) * value(c) + load(shift, c * TAPS)); }
};
