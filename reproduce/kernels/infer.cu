// Pairwise attention in one kernel, for inference: both BatchNorms folded, h and alpha never leave the chip.
// SCALAR is 2 or 3, outs at most ROWS; pair.py has the formulas.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

#define QUADS 2  // weight channels of a thread: 4 * QUADS in a block; of each it sums SHARE channels of y
#define ACTIVE (ROWS * (COLUMNS + 1))

// y (N, C, L). A block has 64 outputs, 4 * QUADS weight channels (grid y) and SHARE channels of each (grid z); the
// softmax is taken while the taps pass by, sums scaled down whenever a larger logit turns up.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_infer(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, const scalar_t* __restrict__ c,
           const scalar_t* __restrict__ weight1, const scalar_t* __restrict__ place, const scalar_t* __restrict__ scale,
           const scalar_t* __restrict__ shift, const scalar_t* __restrict__ weight2, const scalar_t* __restrict__ beta,
           scalar_t* __restrict__ y, int depth, int outs, int shared, int channels, int height, int width, int rows,
           int columns) {
  __shared__ sum_t pool[ACTIVE > POOL ? ACTIVE : POOL];
  sum_t* active = pool;  // the product is done with its operands when its result is written here
  int outputs = rows * columns, tiles = (outputs + COLUMNS - 1) / COLUMNS;
  index_t n = blockIdx.x / tiles, pixels = static_cast<index_t>(height) * width;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS, mine = start + own_column();
  int q0 = blockIdx.y * 4 * QUADS + threadIdx.x / COLUMNS, s0 = blockIdx.z * SHARE;
  bool exists = mine < outputs;
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns}, n);
  sum_t part[MINE][4], most[QUADS], norm[QUADS], total[QUADS][SHARE];
#pragma unroll
  for (int i = 0; i < QUADS; ++i) {
    most[i] = norm[i] = 0;
#pragma unroll
    for (int s = 0; s < SHARE; ++s) total[i][s] = 0;
  }
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    if (exists) relation.place(mine / columns, mine % columns, t / KERNEL, t % KERNEL);
    multiply(part, Matrix{weight1, 0, outs, depth, 1}, relation, depth, pool);
#pragma unroll
    for (int i = 0; i < MINE; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        int m = tile_row(i), o = start + tile_column(j);
        sum_t u = 0;
        if (m < outs && o < outputs) {
          sum_t h = part[i][j];
          if (place) h += place[(static_cast<index_t>(m) * TAPS + t) * outputs + o];
          u = scale[m] * h + shift[m];
        }
        active[m * (COLUMNS + 1) + tile_column(j)] = u > 0 ? u : sum_t(0);
      }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < QUADS; ++i) {
      int q = q0 + 4 * i;
      if (!exists || q >= shared) continue;
      sum_t logit = 0;
      for (int m = 0; m < outs; ++m)
        logit += weight2[static_cast<index_t>(q) * outs + m] * active[m * (COLUMNS + 1) + own_column()];
      sum_t higher = t == 0 || logit > most[i] ? logit : most[i];
      sum_t shrink = t == 0 ? sum_t(0) : exp(most[i] - higher), share = exp(logit - higher);
      norm[i] = norm[i] * shrink + share;
      most[i] = higher;
#pragma unroll
      for (int s = 0; s < SHARE; ++s) {
        int channel = q + (s0 + s) * shared;
        sum_t value = 0;
        if (relation.near >= 0 && channel < channels) value = beta[(n * channels + channel) * pixels + relation.near];
        total[i][s] = total[i][s] * shrink + share * value;
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < QUADS; ++i) {
    int q = q0 + 4 * i;
    if (!exists || q >= shared) continue;
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      int channel = q + (s0 + s) * shared;
      if (channel < channels) y[(n * channels + channel) * outputs + mine] = total[i][s] / norm[i];
    }
  }
}
