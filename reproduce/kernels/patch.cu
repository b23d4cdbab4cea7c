// The first half of the patchwise mapping; patch.py has the formulas. SCALAR is 2 or 3 here.
//
// The r*k*k values of a pixel are computed where they are used, never stored. Row = c * TAPS + t.
#include "common.cuh"
#include "tile.cuh"

struct Maps {
  const scalar_t *psi, *phi, *scale, *shift;
  int depth, height, width, rows, columns;
};

// v and s * v + b of one output, all rows.
struct Patch {
  Maps maps;
  index_t map;
  int oy, ox, first;
  bool inside;

  __device__ Patch(const Maps& of, index_t n, int from)
      : maps(of), map(n * of.depth * of.height * of.width), oy(0), ox(0), first(from), inside(false) {}

  __device__ void place(int o, bool exists) {
    inside = exists;
    if (exists) {
      oy = o / maps.columns;
      ox = o % maps.columns;
    }
  }
  __device__ sum_t value(int c, int t) const {
    int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, maps.height, maps.width);
    index_t plane = map + static_cast<index_t>(c) * maps.height * maps.width;
    sum_t psi = near < 0 ? sum_t(0) : maps.psi[plane + near];
#if CENTRE
    return maps.phi[plane + static_cast<index_t>(STRIDE * oy) * maps.width + STRIDE * ox] - psi;
#else
    return psi;
#endif
  }
  __device__ bool open(int row, sum_t v) const { return maps.scale[row] * v + maps.shift[row] > 0; }
  __device__ sum_t at(int k) const {
    int row = first + k;
    if (!inside || row >= maps.depth * TAPS) return 0;
    sum_t u = maps.scale[row] * value(row / TAPS, row % TAPS) + maps.shift[row];
    return u > 0 ? u : sum_t(0);
  }
};

// h (N, M, L) = weight (M, depth * TAPS) relu(s v + b).
extern "C" __global__ void __launch_bounds__(THREADS)
patch_project(const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi, const scalar_t* __restrict__ scale,
              const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight, scalar_t* __restrict__ hidden,
              int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int outputs = rows * columns, tiles = (outputs + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS, inputs = depth * TAPS;
  Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, n, 0);
  patch.place(start + own_column(), start + own_column() < outputs);
  sum_t total[MINE][4];
  clear(total);
  multiply(total, Matrix{weight, first, outs, inputs, 1}, patch, inputs, pool);
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int m = first + tile_row(i), o = start + tile_column(j);
      if (m < outs && o < outputs) hidden[(n * outs + m) * outputs + o] = total[i][j];
    }
}

// Part of the gradient of weight1 (blocks, M, depth * TAPS): one block sums ``samples`` samples.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
patch_weight(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, scalar_t* __restrict__ out,
             int batch, int samples, int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int outputs = rows * columns, row0 = blockIdx.y * ROWS, column0 = blockIdx.z * COLUMNS, inputs = depth * TAPS;
  sum_t total[MINE][4];
  clear(total);
  for (int n = blockIdx.x * samples; n < batch && n < (static_cast<int>(blockIdx.x) + 1) * samples; ++n) {
    Plain left{g, static_cast<index_t>(n) * outs * outputs, outputs, row0, outs, 0, false};
    Patch right(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, n, column0);
    outer(total, left, right, 0, outputs, pool);
  }
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int m = row0 + tile_row(i), row = column0 + tile_column(j);
      if (m < outs && row < inputs) out[(static_cast<index_t>(blockIdx.x) * outs + m) * inputs + row] = total[i][j];
    }
}

// Part of the gradients of scale and shift (blocks, depth * TAPS): one block sums ``samples`` samples.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
patch_rows(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
           const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight,
           scalar_t* __restrict__ grad_scale, scalar_t* __restrict__ grad_shift,
           int batch, int samples, int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int outputs = rows * columns, first = blockIdx.y * ROWS, inputs = depth * TAPS;
  sum_t part[MINE][4], slopes[MINE] = {0}, sums[MINE] = {0};
  for (int n = blockIdx.x * samples; n < batch && n < (static_cast<int>(blockIdx.x) + 1) * samples; ++n) {
    Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, n, 0);
    for (int start = 0; start < outputs; start += COLUMNS) {
      clear(part);
      Plain right{g, static_cast<index_t>(n) * outs * outputs, outputs, 0, outs, 0, false};
      right.place(start + own_column(), start + own_column() < outputs);
      multiply(part, Matrix{weight, first, inputs, 1, inputs}, right, outs, pool);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        int o = start + tile_column(j);
        if (o >= outputs) continue;
        patch.place(o, true);
#pragma unroll
        for (int i = 0; i < MINE; ++i) {
          int row = first + tile_row(i);
          if (row >= inputs) continue;
          sum_t v = patch.value(row / TAPS, row % TAPS);
          if (!patch.open(row, v)) continue;
          slopes[i] += part[i][j] * v;
          sums[i] += part[i][j];
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < MINE; ++i) {
    int row = first + tile_row(i);
    sum_t slope = sum_row(slopes[i], pool), sum = sum_row(sums[i], pool);
    if (threadIdx.x % 16 == 0 && row < inputs) {
      grad_scale[static_cast<index_t>(blockIdx.x) * inputs + row] = slope;
      grad_shift[static_cast<index_t>(blockIdx.x) * inputs + row] = sum;
    }
  }
}

// Gradient of psi on the padded grid (N, depth, H + 2p, W + 2p), or with CENTRE and ``to_phi`` of phi at the centres.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
patch_to_map(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift,
             const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad, int to_phi,
             int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int tall = to_phi ? rows : height + 2 * PAD, broad = to_phi ? columns : width + 2 * PAD;
  int pixels = tall * broad, outputs = rows * columns, inputs = depth * TAPS;
  int tiles = (pixels + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS, mine = start + own_column();
  Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, n, 0);
  sum_t total[MINE][4], part[MINE][4];
  clear(total);
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    int ky = t / KERNEL, kx = t % KERNEL, y = mine / broad, x = mine % broad;
    int oy = mine >= pixels ? -1 : to_phi ? y : reader(y, ky, rows);
    int ox = mine >= pixels ? -1 : to_phi ? x : reader(x, kx, columns);
    Plain right{g, n * outs * outputs, outputs, 0, outs, 0, false};
    right.place(oy * columns + ox, oy >= 0 && ox >= 0);
    Matrix left{weight + t, first, depth, TAPS, inputs};
    multiply(part, left, right, outs, pool);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int p = start + tile_column(j);
      if (p >= pixels) continue;
      patch.oy = to_phi ? p / broad : reader(p / broad, ky, rows);
      patch.ox = to_phi ? p % broad : reader(p % broad, kx, columns);
      if (patch.oy < 0 || patch.ox < 0) continue;
#pragma unroll
      for (int i = 0; i < MINE; ++i) {
        int c = first + tile_row(i), row = c * TAPS + t;
        if (c >= depth || !patch.open(row, patch.value(c, t))) continue;
        total[i][j] += scale[row] * part[i][j];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int c = first + tile_row(i), p = start + tile_column(j);
      if (c >= depth || p >= pixels) continue;
#if CENTRE
      grad[(n * depth + c) * pixels + p] = to_phi ? total[i][j] : -total[i][j];
#else
      grad[(n * depth + c) * pixels + p] = total[i][j];
#endif
    }
}
