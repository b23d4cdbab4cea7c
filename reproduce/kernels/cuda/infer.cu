// Pairwise attention in one kernel, for inference: both BatchNorms folded, h and alpha never leave the chip.
// SCALAR is 2 or 3, outs at most ROWS; pair.py has the formulas.
#include "common.cuh"
#define DEEP 1  // the sums of y need the registers
#include "tile.cuh"
#include "relation.cuh"

#define WEIGHTS 8                             // weight channels of a block (grid y), as in launch_pair.py
#define OWN (WEIGHTS * COLUMNS / THREADS)     // of these a thread has so many, of its own column
#define SUMS (SCALAR == 3 ? SHARE / 2 : SHARE)  // channels of y that are summed for each (grid z): what registers hold
#if SCALAR == 3  // the largest logit and the sum of a channel: in float64 shared memory is the scarcer
#define LARGEST(i) largest[i]
#define SUMMED(i) summed[i]
#else
#define LARGEST(i) largest[i][threadIdx.x]
#define SUMMED(i) summed[i][threadIdx.x]
#endif
#define RIGHT_POOL ((ROWS > DEPTH ? ROWS : DEPTH) * WIDE)

// y (N, C, L). The softmax is taken while the taps pass by, sums scaled down whenever a larger logit turns up.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_infer(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, const scalar_t* __restrict__ c,
           const scalar_t* __restrict__ weight1, const scalar_t* __restrict__ place, const scalar_t* __restrict__ scale,
           const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight2, const scalar_t* __restrict__ beta,
           scalar_t* __restrict__ y, int batch, int depth, int outs, int shared, int channels, int height, int width,
           int rows, int columns) {
  alignas(16) __shared__ sum_t pool[DEPTH * HIGH + RIGHT_POOL], factors[ROWS * WEIGHTS];
  sum_t* active = pool + DEPTH * HIGH;  // over the right operand: the product is done with it when this is written
  int outputs = rows * columns;
  int pixels = height * width;
  Stretch stretch(static_cast<index_t>(batch) * outputs, 1);
  int wide = stretch.width(stretch.from), count = wide - tile_column();
  Spot begin = locate(stretch.from, outputs), mine = advance(begin, own_column(), outputs);
  Spot quad = advance(begin, tile_column(), outputs);
  int slot = threadIdx.x / COLUMNS * OWN, q0 = blockIdx.y * WEIGHTS + slot, s0 = blockIdx.z * SUMS;
  bool is_there = own_column() < wide;
  for (int e = threadIdx.x; e < ROWS * WEIGHTS; e += THREADS) {
    int m = e / WEIGHTS, q = blockIdx.y * WEIGHTS + e % WEIGHTS;
    factors[e] = m < outs && q < shared ? weight2[q * outs + m] : sum_t(0);
  }
  int many = channels / shared - s0;
  int step = shared * pixels;
  const scalar_t* values = beta + static_cast<index_t>(mine.n) * (channels * pixels) + (q0 + s0 * shared) * pixels;
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns});
#if SCALAR == 3
  sum_t largest[OWN], summed[OWN];
#else
  __shared__ sum_t largest[OWN][THREADS], summed[OWN][THREADS];  // registers are for the sums of y
#endif
  sum_t part[4][4], total[OWN][SUMS];
#pragma unroll
  for (int i = 0; i < OWN; ++i) {
    LARGEST(i) = SUMMED(i) = 0;
#pragma unroll
    for (int s = 0; s < SUMS; ++s) total[i][s] = 0;
  }
#pragma unroll 1  // several taps at once would not fit the registers
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    relation.place(mine.n, mine.at / columns, mine.at % columns, t / KERNEL, t % KERNEL, is_there);
    multiply(part, Matrix(weight1, 0, outs, depth, 1), relation, depth, pool, t > 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = tile_row() + i;
      sum_t still[4] = {0};
      if (place && m < outs) Four(quad, 0, outputs, count).read(still, place + t * outputs, m * TAPS);
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
    sum_t logit[OWN] = {0};
    for (int m = 0; m < outs; ++m) {
      sum_t u = active[m * WIDE + own_column()];
#pragma unroll
      for (int i = 0; i < OWN; ++i) logit[i] += factors[m * WEIGHTS + slot + i] * u;
    }
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      if (!is_there || q0 + i >= shared) continue;
      Weighing term(logit[i], LARGEST(i), t == 0);
      SUMMED(i) = SUMMED(i) * term.shrink + term.share;
      const scalar_t* from = values + i * pixels + relation.near;
#pragma unroll
      for (int s = 0; s < SUMS; ++s) {
        sum_t value = exists(relation.near) && s < many ? load(from, s * step) : sum_t(0);
        total[i][s] = total[i][s] * term.shrink + term.share * value;
      }
    }
    __syncthreads();
  }
  scalar_t* out = y + static_cast<index_t>(mine.n) * (channels * outputs) + (q0 + s0 * shared) * outputs + mine.at;
#pragma unroll
  for (int i = 0; i < OWN; ++i) {
    if (!is_there || q0 + i >= shared) continue;
    sum_t share = 1 / (SUMMED(i) + spoil(LARGEST(i)));
#pragma unroll
    for (int s = 0; s < SUMS; ++s) {
      if (s < many) out[(i + s * shared) * outputs] = total[i][s] * share;
    }
  }
}
