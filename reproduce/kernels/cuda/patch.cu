// The first half of the patchwise mapping; patch.py has the formulas. SCALAR is 2 or 3 here.
//
// The r*k*k values of a pixel are computed where they are used, never stored; patch_weight.cu has weight1's gradient.
#include "common.cuh"
#include "tile.cuh"
#include "patch.cuh"

// h (N, M, L) = weight (M, depth * TAPS) relu(s v + b).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
patch_project(const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi, const scalar_t* __restrict__ scale,
              const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight, scalar_t* __restrict__ hidden,
              int batch, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  int outputs = rows * columns, inputs = depth * TAPS, first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * outputs, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, outputs), mine = advance(begin, own_column(), outputs);
  Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, 0, 0);
  sum_t total[4][4];
  clear(total);
#pragma unroll 1
  for (int t = 0; t < TAPS; ++t) {
    patch.take(t);
    patch.place(mine, t, own_column() < wide);
    multiply(total, Matrix(weight + t, first, outs, inputs, TAPS), patch, depth, pool);
  }
  Four quad(advance(begin, tile_column(), outputs), outs, outputs, count);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    int m = first + tile_row() + i;
    if (m < outs) quad.write(total[i], hidden, m);
  }
}

// Part of the gradients of scale and shift (blocks, depth, TAPS): one block sums ``strips`` tiles of the batch, for one
// tap and ROWS channels (grid y, the tap fast).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
patch_rows(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
           const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight,
           scalar_t* __restrict__ grad_scale, scalar_t* __restrict__ grad_shift,
           int batch, int strips, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  int outputs = rows * columns, tap = blockIdx.y % TAPS, first = blockIdx.y / TAPS * ROWS, mine = first + tile_row();
  Stretch stretch(static_cast<index_t>(batch) * outputs, strips);
  Plain right(g, 0, outs, outputs);
  Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, mine < depth ? mine : 0, tap);
  Spot begin = locate(stretch.from, outputs);
  sum_t part[4][4], slopes[4] = {0}, sums[4] = {0};
  for (index_t start = stretch.from; start < stretch.to; start += COLUMNS) {
    int wide = stretch.width(start);
    clear(part);
    right.place(advance(begin, own_column(), outputs), own_column() < wide);
    multiply(part, Matrix(weight + tap, first, depth, TAPS, depth * TAPS), right, outs, pool, start > stretch.from);
    Spot spot = advance(begin, tile_column(), outputs);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (tile_column() + j < wide) {
        patch.place(spot, tap, true);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (mine + i >= depth) continue;
          sum_t v = patch.value(i);
          if (!patch.open(i, v)) continue;
          slopes[i] += part[i][j] * v;
          sums[i] += part[i][j];
        }
      }
      spot = advance(spot, 1, outputs);
    }
    begin = advance(begin, COLUMNS, outputs);
  }
  sum_t slope = sum_rows(slopes, pool), sum = sum_rows(sums, pool);
  int row = first + threadIdx.x;
  if (threadIdx.x >= ROWS || row >= depth) return;
  index_t to = (static_cast<index_t>(blockIdx.x) * depth + row) * TAPS + tap;
  grad_scale[to] = slope;
  grad_shift[to] = sum;
}

// Gradient of psi on the padded grid (N, depth, H + 2p, W + 2p), or with CENTRE and ``to_phi`` of phi at the centres.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
patch_to_map(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift,
             const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad, int to_phi,
             int batch, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  int tall = to_phi ? rows : height + 2 * PAD, broad = to_phi ? columns : width + 2 * PAD, size = tall * broad;
  int outputs = rows * columns, inputs = depth * TAPS, first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * size, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, size), mine = advance(begin, own_column(), size);
  Spot quad = advance(begin, tile_column(), size);
  int lead = first + tile_row();
  Patch patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, lead < depth ? lead : 0, 0);
  Plain right(g, 0, outs, outputs);
  sum_t total[4][4], part[4][4];
  clear(total);
#pragma unroll 1
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    int ky = t / KERNEL, kx = t % KERNEL, y = mine.at / broad, x = mine.at % broad;
    int oy = own_column() >= wide ? -1 : to_phi ? y : reader(y, ky, rows);
    int ox = to_phi ? x : reader(x, kx, columns);
    right.place(Spot{mine.n, oy * columns + ox}, oy >= 0 && ox >= 0);
    multiply(part, Matrix(weight + t, first, depth, TAPS, inputs), right, outs, pool);
    patch.take(t);
    Spot spot = quad;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int py = spot.at / broad, px = spot.at % broad;
      int sy = j >= count ? -1 : to_phi ? py : reader(py, ky, rows), sx = to_phi ? px : reader(px, kx, columns);
      if (sy >= 0 && sx >= 0) {
        patch.place(spot.n, sy, sx, t);
#pragma unroll
        for (int i = 0; i < 4; ++i)
          if (lead + i < depth && patch.open(i, patch.value(i))) total[i][j] += patch.scale[i * TAPS] * part[i][j];
      }
      spot = advance(spot, 1, size);
    }
  }
  Four four(quad, depth, size, count);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (lead + i >= depth) continue;
#if CENTRE
#pragma unroll
    for (int j = 0; j < 4; ++j) total[i][j] = to_phi ? total[i][j] : -total[i][j];
#endif
    four.write(total[i], grad, lead + i);
  }
}
