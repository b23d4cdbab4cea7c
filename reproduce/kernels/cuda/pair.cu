// Pairwise attention behind the folded first BatchNorm; pair.py has the formulas. SCALAR is 2 or 3 here.
//
// Forward: pair_project writes h, M values a pair, and its statistics; pair_attend turns h into alpha and y.
// Backward: pair_unweigh, pair_unactivate and pair_unnormalize lead back to h, pair_weights.cu to the weights and
// pair_maps.cu to the maps. The relation tensor u is computed where it is used and never stored.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

#define HELD 64                        // rows of h whose factors pair_attend holds in shared memory
#define FACTORS ((SHARE + 5) / 4 * 4)  // SHARE weights, scale and shift of a row, in whole vectors
#define STRETCH 1024                   // columns that a block of pair_unnormalize rewrites, as in launch_pair.py

// h (N, M, T, L) = weight relu(u) + place, a block ``strips`` tiles of it. Of its part of every row it also writes the
// sum and the sum of squares about their mean; it counts them from the row's first value, so that nothing cancels.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_project(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, const scalar_t* __restrict__ c,
             const scalar_t* __restrict__ weight, const scalar_t* __restrict__ place, scalar_t* __restrict__ hidden,
             scalar_t* __restrict__ sums, scalar_t* __restrict__ squares,
             int batch, int strips, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[POOL];
  __shared__ sum_t pivots[ROWS];
  int size = TAPS * rows * columns, first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * size, strips);
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns});
  Spot begin = locate(stretch.from, size);
  sum_t total[4][4], sum[4] = {0}, square[4] = {0};
  for (index_t start = stretch.from; start < stretch.to; start += COLUMNS) {
    int wide = stretch.width(start), count = wide - tile_column();
    clear(total);
    relation.place(advance(begin, own_column(), size), own_column() < wide);
    multiply(total, Matrix{weight, first, outs, depth, 1}, relation, depth, pool, start > stretch.from);
    Spot quad = advance(begin, tile_column(), size);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = first + tile_row() + i;
      if (m >= outs || count <= 0) continue;
      if (place) {
        sum_t still[4];
        load4(still, place, quad, m, 0, size, count);
#pragma unroll
        for (int j = 0; j < 4; ++j) total[i][j] += still[j];
      }
      store4(total[i], hidden, quad, m, outs, size, count);
      if (start == stretch.from && tile_column() == 0) pivots[tile_row() + i] = total[i][0];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum_t off = j < count ? total[i][j] - pivots[tile_row() + i] : sum_t(0);
        sum[i] += off;
        square[i] += off * off;
      }
    begin = advance(begin, COLUMNS, size);
  }
  sum_t off = sum_rows(sum, pool), offs = sum_rows(square, pool);
  int m = first + threadIdx.x;
  if (threadIdx.x >= ROWS || m >= outs) return;
  sum_t number = stretch.to - stretch.from;
  sums[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = off + number * pivots[threadIdx.x];
  squares[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = offs - off * off / number;
}

// alpha (N, Q, T, L) = softmax over taps of weight2 relu(scale h + shift); one thread an output and SHARE channels
// (grid y), so that h is read once for all of them.
extern "C" __global__ void __launch_bounds__(THREADS)
pair_attend(const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift,
            const scalar_t* __restrict__ weight, scalar_t* __restrict__ alpha,
            int batch, int outs, int shared, int outputs) {
  alignas(16) __shared__ sum_t pool[HELD * FACTORS];
  index_t at = global_thread(), n = at / outputs, o = at % outputs, step = static_cast<index_t>(TAPS) * outputs;
  bool exists = n < batch;  // the others only help to fill the pool
  int first = blockIdx.y * SHARE;
  index_t out = (n * shared + first) * step + o;
  sum_t most[SHARE] = {0}, total[SHARE] = {0};
#pragma unroll 1  // several taps at once would not fit the registers in float64
  for (int t = 0; t < TAPS; ++t) {
    index_t tap = t * static_cast<index_t>(outputs);
    sum_t logit[SHARE] = {0};
    for (int from = 0; from < outs; from += HELD) {
      int held = outs - from < HELD ? outs - from : HELD;
      if (t == 0 || outs > HELD) {  // factors that all fit stay for every tap
        __syncthreads();
        for (int e = threadIdx.x; e < held * FACTORS; e += THREADS) {
          int m = from + e / FACTORS, s = e % FACTORS;
          if (s < SHARE) pool[e] = first + s < shared ? weight[static_cast<index_t>(first + s) * outs + m] : sum_t(0);
          else if (s < SHARE + 2) pool[e] = s == SHARE ? scale[m] : shift[m];
        }
        __syncthreads();
      }
      if (!exists) continue;
      for (int m = 0; m < held; ++m) {
        const sum_t* factor = pool + m * FACTORS;
        sum_t u = factor[SHARE] * hidden[(n * outs + from + m) * step + tap + o] + factor[SHARE + 1];
        u = activate(u);
#pragma unroll
        for (int s = 0; s < SHARE; ++s) logit[s] += factor[s] * u;
      }
    }
    if (!exists) continue;
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      if (first + s < shared) alpha[out + s * step + tap] = logit[s];
      Weighing term(logit[s], most[s], t == 0);
      total[s] = total[s] * term.shrink + term.share;
    }
  }
  if (!exists) return;
#pragma unroll
  for (int s = 0; s < SHARE; ++s) total[s] = 1 / (total[s] + spoil(most[s]));
  for (int t = 0; t < TAPS; ++t)
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      if (first + s >= shared) continue;
      index_t i = out + s * step + t * static_cast<index_t>(outputs);
      alpha[i] = exp(alpha[i] - most[s]) * total[s];
    }
}

// Gradient of the logits (N, Q, T, L): alpha (g_alpha - sum_t alpha g_alpha), g_alpha = sum_c gy beta~ (+ extra).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_unweigh(const scalar_t* __restrict__ beta, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ extra,
             const scalar_t* __restrict__ alpha, scalar_t* __restrict__ logits,
             int batch, int channels, int shared, int height, int width, int rows, int columns) {
  index_t outputs = static_cast<index_t>(rows) * columns, at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * outputs) return;
  index_t group = at / outputs, n = group / shared, pixels = static_cast<index_t>(height) * width;
  int o = static_cast<int>(at % outputs), oy = o / columns, ox = o % columns, q = static_cast<int>(group % shared);
  index_t plane = n * channels + q, g_at = plane * outputs + o;
  int count = channels / shared;
  sum_t mean = 0, held[SHARE];
  hold(held, grad, g_at, shared * outputs, count);
  for (int t = 0; t < TAPS; ++t) {
    index_t i = (group * TAPS + t) * outputs + o;
    int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
    sum_t total = extra ? extra[i] : sum_t(0);
    if (near >= 0)
      total = add_products(total, held, beta, plane * pixels + near, shared * pixels, grad, g_at, shared * outputs,
                           count);
    logits[i] = total;
    mean += alpha[i] * total;
  }
  for (int t = 0; t < TAPS; ++t) {
    index_t i = (group * TAPS + t) * outputs + o;
    logits[i] = alpha[i] * (logits[i] - mean);
  }
}

// g (N, M, T, L) = 1[relu is open] weight2^T logits, with its sums and its sums with (h - mean), a value a block and row.
extern "C" __global__ void __launch_bounds__(THREADS)
pair_unactivate(const scalar_t* __restrict__ logits, const scalar_t* __restrict__ weight,
                const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ scale,
                const scalar_t* __restrict__ shift, const scalar_t* __restrict__ mean, scalar_t* __restrict__ g,
                scalar_t* __restrict__ sums, scalar_t* __restrict__ products,
                int batch, int strips, int outs, int shared, int size) {
  alignas(16) __shared__ sum_t pool[POOL];
  int first = blockIdx.y * ROWS;
  Stretch stretch(static_cast<index_t>(batch) * size, strips);
  Plain right(logits, 0, shared, size);
  Spot begin = locate(stretch.from, size);
  sum_t total[4][4], sum[4] = {0}, product[4] = {0};
  for (index_t start = stretch.from; start < stretch.to; start += COLUMNS) {
    int wide = stretch.width(start), count = wide - tile_column();
    clear(total);
    right.place(advance(begin, own_column(), size), own_column() < wide);
    multiply(total, Matrix{weight, first, outs, 1, outs}, right, shared, pool, start > stretch.from);
    Spot quad = advance(begin, tile_column(), size);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = first + tile_row() + i;
      if (m >= outs || count <= 0) continue;
      sum_t value[4], slope = scale[m], offset = shift[m], middle = mean[m];
      load4(value, hidden, quad, m, outs, size, count);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j >= count || !is_open(slope * value[j] + offset)) total[i][j] = 0;
        sum[i] += total[i][j];
        product[i] += total[i][j] * (value[j] - middle);
      }
      store4(total[i], g, quad, m, outs, size, count);
    }
    begin = advance(begin, COLUMNS, size);
  }
  sum_t plain = sum_rows(sum, pool), with = sum_rows(product, pool);
  int m = first + threadIdx.x;
  if (threadIdx.x >= ROWS || m >= outs) return;
  sums[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = plain;
  products[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = with;
}

// g = gain * g + slope * h + offset, in place: the gradient of h as the second BatchNorm's backward leaves it. Written
// out because weight1 and both maps read every value many times. Grid y is the row.
extern "C" __global__ void __launch_bounds__(THREADS)
pair_unnormalize(scalar_t* __restrict__ g, const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ gain,
                 const scalar_t* __restrict__ slope, const scalar_t* __restrict__ offset, int outs, int size) {
  int stretches = (size + STRETCH - 1) / STRETCH, m = blockIdx.y, start = blockIdx.x % stretches * STRETCH;
  index_t row = (static_cast<index_t>(blockIdx.x / stretches) * outs + m) * size + start;
  int count = size - start < STRETCH ? size - start : STRETCH;
  sum_t factor = gain[m], slant = slope[m], still = offset[m];
  for (int x = threadIdx.x; x < count; x += THREADS) g[row + x] = factor * g[row + x] + slant * hidden[row + x] + still;
}
