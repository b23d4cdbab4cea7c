// From the gradient of h to those of the maps of pairwise attention; pair.py has the formulas. SCALAR is 2 or 3 here.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

#define FEW (STRIDE > 1 || FORM == 1 ? 1 : RESIDENT)  // strides and products take registers of their own

// The four pixels of this thread, on a grid ``broad`` wide: what their operands need for every tap.
struct Pixels {
  int n[4], y[4], x[4];
  __device__ Pixels(Spot quad, int count, int size, int broad) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      n[j] = quad.n;
      y[j] = j < count ? quad.at / broad : -1;
      x[j] = quad.at % broad;
      quad = advance(quad, 1, size);
    }
  }
};

// Gradient of a at the centres (N, D, L), and (FORM 1) that of c, a value a row and block.
extern "C" __global__ void __launch_bounds__(THREADS, FEW)
pair_to_centre(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
               const scalar_t* __restrict__ c, const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad_a,
               scalar_t* __restrict__ grad_c,
               int batch, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  int outputs = rows * columns, first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * outputs, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, outputs), mine = advance(begin, own_column(), outputs);
  Spot quad = advance(begin, tile_column(), outputs);
  Pixels pixels(quad, count, outputs, columns);
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns});
  Plain right(g, 0, outs, TAPS * outputs);
  sum_t total[4][4], part[4][4];
  clear(total);
#if FORM == 1
  sum_t plain[4] = {0};
#endif
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    right.place(Spot{mine.n, t * outputs + mine.at}, own_column() < wide);
    multiply(part, Matrix(weight, first, depth, 1, depth), right, outs, pool, t > 0);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (pixels.y[j] < 0) continue;
      relation.place(pixels.n[j], pixels.y[j], pixels.x[j], t / KERNEL, t % KERNEL, true);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int d = first + tile_row() + i;
        if (d >= depth) continue;
        sum_t near = relation.right(d);
        if (!is_open(relation.join(relation.left(d), near, d))) continue;
#if FORM == 1
        total[i][j] += part[i][j] * near;
        plain[i] += part[i][j];
#else
        total[i][j] += part[i][j];
#endif
      }
    }
  }
  Four four(quad, depth, outputs, count);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    int d = first + tile_row() + i;
    if (d < depth) four.write(total[i], grad_a, d);
  }
#if FORM == 1
  sum_t sum = sum_rows(plain, pool);
  int d = first + threadIdx.x;
  if (threadIdx.x < ROWS && d < depth) grad_c[static_cast<index_t>(d) * gridDim.x + blockIdx.x] = sum;
#else
  static_cast<void>(grad_c);
#endif
}

// Gradient of b on the padded grid (N, D, H + 2p, W + 2p): every padded pixel gathers from the outputs that read it.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_to_neighbour(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
                  const scalar_t* __restrict__ c, const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad_b,
                  int batch, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  int tall = height + 2 * PAD, broad = width + 2 * PAD, size = tall * broad, outputs = rows * columns;
  int first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * size, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, size), mine = advance(begin, own_column(), size);
  Spot quad = advance(begin, tile_column(), size);
  Pixels pixels(quad, count, size, broad);
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns});
  Plain right(g, 0, outs, TAPS * outputs);
  sum_t total[4][4], part[4][4];
  clear(total);
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    int ky = t / KERNEL, kx = t % KERNEL;
    int oy = own_column() < wide ? reader(mine.at / broad, ky, rows) : -1, ox = reader(mine.at % broad, kx, columns);
    right.place(Spot{mine.n, t * outputs + oy * columns + ox}, oy >= 0 && ox >= 0);
    multiply(part, Matrix(weight, first, depth, 1, depth), right, outs, pool, t > 0);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int y = reader(pixels.y[j], ky, rows), x = reader(pixels.x[j], kx, columns);
      if (y < 0 || x < 0) continue;
      relation.place(pixels.n[j], y, x, ky, kx, true);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int d = first + tile_row() + i;
        if (d >= depth) continue;
        sum_t centre = relation.left(d);
        if (!is_open(relation.join(centre, relation.right(d), d))) continue;
#if FORM == 1
        total[i][j] += part[i][j] * centre;
#else
        total[i][j] -= part[i][j];
#endif
      }
    }
  }
  Four four(quad, depth, size, count);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    int d = first + tile_row() + i;
    if (d < depth) four.write(total[i], grad_b, d);
  }
}
