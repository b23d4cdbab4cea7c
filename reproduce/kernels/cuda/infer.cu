// Pairwise attention in one kernel, for inference: both BatchNorms folded, h and alpha never leave the chip.
// SCALAR is 2 or 3, outs at most ROWS; pair.py has the formulas.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

#define WEIGHTS 8                             // weight channels of a block (grid y), as in launch_pair.py
#define EACH (WEIGHTS * COLUMNS / THREADS)    // of these a thread has so many, of its own column
#define SUMS (SCALAR == 3 ? SHARE / 2 : SHARE)  // channels of y that are summed for each (grid z): what registers hold
#define RIGHT_POOL ((ROWS > DEPTH ? ROWS : DEPTH) * WIDE)

// y (N, C, L). The softmax is taken while the taps pass by, sums scaled down whenever a larger logit turns up.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_infer(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, const scalar_t* __restrict__ c,
           const scalar_t* __restrict__ weight1, const scalar_t* __restrict__ place, const scalar_t* __restrict__ scale,
           const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight2, const scalar_t* __restrict__ beta,
           scalar_t* __restrict__ y, int batch, int depth, int outs, int shared, int channels, int height, int width,
           int rows, int columns) {
  alignas(16) __shared__ sum_t pool[DEPTH * HIGH + RIGHT_POOL], factors[ROWS * WEIGHTS];
  sum_t* active = pool + DEPTH * HIGH;  // over the right operand: the product is done with it when this is written
  int outputs = rows * columns;
  index_t pixels = static_cast<index_t>(height) * width;
  Stretch stretch(static_cast<index_t>(batch) * outputs, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, outputs), mine = advance(begin, own_column(), outputs);
  Spot quad = advance(begin, tile_column(), outputs);
  int slot = threadIdx.x / COLUMNS * EACH, q0 = blockIdx.y * WEIGHTS + slot, s0 = blockIdx.z * SUMS;
  bool exists = own_column() < wide;
  for (int e = threadIdx.x; e < ROWS * WEIGHTS; e += THREADS) {
    int m = e / WEIGHTS, q = blockIdx.y * WEIGHTS + e % WEIGHTS;
    factors[e] = m < outs && q < shared ? weight2[static_cast<index_t>(q) * outs + m] : sum_t(0);
  }
  int summed = channels / shared - s0;
  index_t step = shared * pixels;
  const scalar_t* values = beta + (mine.n * channels + q0 + static_cast<index_t>(s0) * shared) * pixels;
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns});
  sum_t part[4][4], most[EACH], norm[EACH], total[EACH][SUMS];
#pragma unroll
  for (int i = 0; i < EACH; ++i) {
    most[i] = norm[i] = 0;
#pragma unroll
    for (int s = 0; s < SUMS; ++s) total[i][s] = 0;
  }
#pragma unroll 1  // several taps at once would not fit the registers
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    relation.place(mine.n, mine.at / columns, mine.at % columns, t / KERNEL, t % KERNEL, exists);
    multiply(part, Matrix{weight1, 0, outs, depth, 1}, relation, depth, pool, t > 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = tile_row() + i;
      sum_t still[4] = {0};
      if (place && m < outs && count > 0)
        load4(still, place + static_cast<index_t>(t) * outputs, quad, m * TAPS, 0, outputs, count);
      sum_t slope = m < outs ? scale[m] : sum_t(0), offset = m < outs ? shift[m] : sum_t(0);
      Quad open;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum_t u = slope * (part[i][j] + still[j]) + offset;
        open.v[j] = activate(u);
      }
      *reinterpret_cast<Quad*>(active + m * WIDE + tile_column()) = open;
    }
    __syncthreads();
    sum_t logit[EACH] = {0};
    for (int m = 0; m < outs; ++m) {
      sum_t u = active[m * WIDE + own_column()];
#pragma unroll
      for (int i = 0; i < EACH; ++i) logit[i] += factors[m * WEIGHTS + slot + i] * u;
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      if (!exists || q0 + i >= shared) continue;
      Weighing term(logit[i], most[i], t == 0);
      norm[i] = norm[i] * term.shrink + term.share;
      const scalar_t* from = values + i * pixels + relation.near;
#pragma unroll
      for (int s = 0; s < SUMS; ++s) {
        sum_t value = relation.near >= 0 && s < summed ? from[s * step] : sum_t(0);
        total[i][s] = total[i][s] * term.shrink + term.share * value;
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < EACH; ++i) {
    if (!exists || q0 + i >= shared) continue;
    sum_t share = 1 / (norm[i] + spoil(most[i]));
#pragma unroll
    for (int s = 0; s < SUMS; ++s) {
      index_t channel = mine.n * channels + q0 + i + (s0 + s) * shared;
      if (s < summed) y[channel * outputs + mine.at] = total[i][s] * share;
    }
  }
}
