// Pairwise attention behind the folded first BatchNorm; pair.py has the formulas. SCALAR is 2 or 3 here.
//
// Forward: pair_project writes h, M values a pair, and its statistics; pair_attend turns h into alpha and y.
// Backward: pair_unweigh, pair_unactivate, pair_unnormalize and two outer products lead back to h, pair_to_centre and
// pair_to_neighbour from h to the maps. The relation tensor u is computed where it is used and never stored.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

#define HELD 64                        // rows of h whose factors pair_attend holds in shared memory
#define FACTORS ((SHARE + 5) / 4 * 4)  // SHARE weights, scale and shift of a row, in whole vectors
#define STRETCH 1024                   // columns that a block of pair_unnormalize rewrites, as in launch_fused.py

extern "C" __global__ void __launch_bounds__(THREADS)
pair_project(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, const scalar_t* __restrict__ c,
             const scalar_t* __restrict__ weight, const scalar_t* __restrict__ place, scalar_t* __restrict__ hidden,
             scalar_t* __restrict__ sums, scalar_t* __restrict__ squares,
             int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL], means[ROWS];
  int size = TAPS * rows * columns, tiles = (size + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS;
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns}, n);
  relation.place(start + own_column(), start + own_column() < size);
  sum_t total[MINE][4];
  clear(total);
  multiply(total, Matrix{weight, first, outs, depth, 1}, relation, depth, pool);
  int count = size - start < COLUMNS ? size - start : COLUMNS;
#pragma unroll
  for (int i = 0; i < MINE; ++i) {
    int m = first + tile_row(i);
    sum_t sum = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int x = start + tile_column(j);
      if (m < outs && x < size) {
        if (place) total[i][j] += place[static_cast<index_t>(m) * size + x];
        hidden[(n * outs + m) * size + x] = total[i][j];
        sum += total[i][j];
      }
    }
    sum = sum_row(sum, pool);
    if (threadIdx.x % 16 == 0) means[tile_row(i)] = sum / count;
    __syncthreads();
    sum_t square = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sum_t off = total[i][j] - means[tile_row(i)];
      if (start + tile_column(j) < size) square += off * off;
    }
    square = sum_row(square, pool);
    if (threadIdx.x % 16 == 0 && m < outs) {
      sums[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = sum;
      squares[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = square;
    }
  }
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
        u = u > 0 ? u : sum_t(0);
#pragma unroll
        for (int s = 0; s < SHARE; ++s) logit[s] += factor[s] * u;
      }
    }
    if (!exists) continue;
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      if (first + s < shared) alpha[out + s * step + tap] = logit[s];
      bool higher = t == 0 || logit[s] > most[s];
      sum_t ratio = exp(higher ? most[s] - logit[s] : logit[s] - most[s]);  // of the smaller term to the larger, 1
      total[s] = t == 0 ? sum_t(1) : higher ? total[s] * ratio + 1 : total[s] + ratio;
      if (higher) most[s] = logit[s];
    }
  }
  if (!exists) return;
  for (int t = 0; t < TAPS; ++t)
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      if (first + s >= shared) continue;
      index_t i = out + s * step + t * static_cast<index_t>(outputs);
      alpha[i] = exp(alpha[i] - most[s]) / total[s];
    }
}

// Gradient of the logits (N, Q, T, L): alpha (g_alpha - sum_t alpha g_alpha), g_alpha = sum_c gy beta~ (+ extra).
extern "C" __global__ void __launch_bounds__(THREADS, 1)
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

struct Activated {
  const scalar_t *data, *scale, *shift;
  index_t base, step;
  int first, rows, x;
  bool inside;
  __device__ void place(int column, bool exists) { x = column; inside = exists; }
  __device__ sum_t at(int row) const {
    int m = first + row;
    if (!inside || m >= rows) return 0;
    sum_t u = scale[m] * data[base + m * step + x] + shift[m];
    return u > 0 ? u : sum_t(0);
  }
};

// g (N, M, X) = 1[relu is open] weight2^T logits, with its sums and its sums with (h - mean), a value a block and row.
extern "C" __global__ void __launch_bounds__(THREADS)
pair_unactivate(const scalar_t* __restrict__ logits, const scalar_t* __restrict__ weight,
                const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ scale,
                const scalar_t* __restrict__ shift, const scalar_t* __restrict__ mean, scalar_t* __restrict__ g,
                scalar_t* __restrict__ sums, scalar_t* __restrict__ products, int outs, int shared, int size) {
  __shared__ sum_t pool[POOL];
  int tiles = (size + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS;
  sum_t total[MINE][4];
  clear(total);
  Plain right{logits, n * shared * size, size, 0, shared, 0, false};
  right.place(start + own_column(), start + own_column() < size);
  multiply(total, Matrix{weight, first, outs, 1, outs}, right, shared, pool);
#pragma unroll
  for (int i = 0; i < MINE; ++i) {
    int m = first + tile_row(i);
    sum_t sum = 0, product = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int x = start + tile_column(j);
      if (m >= outs || x >= size) continue;
      index_t at = (n * outs + m) * size + x;
      sum_t value = hidden[at];
      sum_t back = scale[m] * value + shift[m] > 0 ? total[i][j] : sum_t(0);
      g[at] = back;
      sum += back;
      product += back * (value - mean[m]);
    }
    sum = sum_row(sum, pool);
    product = sum_row(product, pool);
    if (threadIdx.x % 16 == 0 && m < outs) {
      sums[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = sum;
      products[static_cast<index_t>(m) * gridDim.x + blockIdx.x] = product;
    }
  }
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

__device__ __forceinline__ void store_partial(const sum_t (&total)[MINE][4], scalar_t* __restrict__ out, int row0,
                                              int column0, int rows, int columns) {
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int row = row0 + tile_row(i), column = column0 + tile_column(j);
      if (row < rows && column < columns)
        out[(static_cast<index_t>(blockIdx.x) * rows + row) * columns + column] = total[i][j];
    }
}

// Part of the gradient of weight2 (blocks, Q, M): one block sums ``chunk`` columns of one sample.
extern "C" __global__ void __launch_bounds__(THREADS)
pair_weight2(const scalar_t* __restrict__ logits, const scalar_t* __restrict__ hidden,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, scalar_t* __restrict__ out,
             int outs, int shared, int size, int chunk) {
  __shared__ sum_t pool[POOL];
  int chunks = (size + chunk - 1) / chunk, row0 = blockIdx.y * ROWS, column0 = blockIdx.z * COLUMNS;
  index_t n = blockIdx.x / chunks;
  int from = static_cast<int>(blockIdx.x % chunks) * chunk, to = from + chunk < size ? from + chunk : size;
  sum_t total[MINE][4];
  clear(total);
  Plain left{logits, n * shared * size, size, row0, shared, 0, false};
  Activated right{hidden, scale, shift, n * outs * size, size, column0, outs, 0, false};
  outer(total, left, right, from, to, pool);
  store_partial(total, out, row0, column0, shared, outs);
}

struct Shifted {
  Relation relation;
  int first;
  __device__ void place(int x, bool exists) { relation.place(x, exists); }
  __device__ sum_t at(int row) const { return relation.at(first + row); }
};

// Part of the gradient of weight1 (blocks, M, D).
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_weight1(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
             const scalar_t* __restrict__ c, scalar_t* __restrict__ out,
             int depth, int outs, int height, int width, int rows, int columns, int chunk) {
  __shared__ sum_t pool[POOL];
  int size = TAPS * rows * columns, chunks = (size + chunk - 1) / chunk;
  int row0 = blockIdx.y * ROWS, column0 = blockIdx.z * COLUMNS;
  index_t n = blockIdx.x / chunks;
  int from = static_cast<int>(blockIdx.x % chunks) * chunk, to = from + chunk < size ? from + chunk : size;
  sum_t total[MINE][4];
  clear(total);
  Plain left{g, n * outs * size, size, row0, outs, 0, false};
  Shifted right{Relation(Maps{a, b, c, depth, height, width, rows, columns}, n), column0};
  outer(total, left, right, from, to, pool);
  store_partial(total, out, row0, column0, outs, depth);
}

// Gradient of a at the centres (N, D, L), and (FORM 1) the plain sum over taps that c needs.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_to_centre(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
               const scalar_t* __restrict__ c, const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad_a,
               scalar_t* __restrict__ grad_sum,
               int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int outputs = rows * columns, tiles = (outputs + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles, size = static_cast<index_t>(TAPS) * outputs;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS;
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns}, n);
  sum_t total[MINE][4], plain[MINE][4], part[MINE][4];
  clear(total);
  clear(plain);
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    Plain right{g, n * outs * size, size, 0, outs, 0, false};
    right.place(t * outputs + start + own_column(), start + own_column() < outputs);
    multiply(part, Matrix{weight, first, depth, 1, depth}, right, outs, pool);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int o = start + tile_column(j);
      if (o >= outputs) continue;
      relation.place(o / columns, o % columns, t / KERNEL, t % KERNEL);
#pragma unroll
      for (int i = 0; i < MINE; ++i) {
        int d = first + tile_row(i);
        if (d >= depth || !(relation.value(d) > 0)) continue;
#if FORM == 1
        total[i][j] += part[i][j] * relation.right(d);
        plain[i][j] += part[i][j];
#else
        total[i][j] += part[i][j];
#endif
      }
    }
  }
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int d = first + tile_row(i), o = start + tile_column(j);
      if (d >= depth || o >= outputs) continue;
      grad_a[(n * depth + d) * outputs + o] = total[i][j];
      if (grad_sum) grad_sum[(n * depth + d) * outputs + o] = plain[i][j];
    }
}

// Gradient of b on the padded grid (N, D, H + 2p, W + 2p): every padded pixel gathers from the outputs that read it.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_to_neighbour(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
                  const scalar_t* __restrict__ c, const scalar_t* __restrict__ weight, scalar_t* __restrict__ grad_b,
                  int depth, int outs, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[POOL];
  int tall = height + 2 * PAD, broad = width + 2 * PAD, pixels = tall * broad, outputs = rows * columns;
  int tiles = (pixels + COLUMNS - 1) / COLUMNS, first = blockIdx.y * ROWS;
  index_t n = blockIdx.x / tiles, size = static_cast<index_t>(TAPS) * outputs;
  int start = static_cast<int>(blockIdx.x % tiles) * COLUMNS, mine = start + own_column();
  Relation relation(Maps{a, b, c, depth, height, width, rows, columns}, n);
  sum_t total[MINE][4], part[MINE][4];
  clear(total);
  for (int t = 0; t < TAPS; ++t) {
    clear(part);
    int ky = t / KERNEL, kx = t % KERNEL;
    int oy = mine < pixels ? reader(mine / broad, ky, rows) : -1;
    int ox = mine < pixels ? reader(mine % broad, kx, columns) : -1;
    Plain right{g, n * outs * size, size, 0, outs, 0, false};
    right.place(t * outputs + oy * columns + ox, oy >= 0 && ox >= 0);
    multiply(part, Matrix{weight, first, depth, 1, depth}, right, outs, pool);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int p = start + tile_column(j);
      if (p >= pixels) continue;
      int y = reader(p / broad, ky, rows), x = reader(p % broad, kx, columns);
      if (y < 0 || x < 0) continue;
      relation.place(y, x, ky, kx);
#pragma unroll
      for (int i = 0; i < MINE; ++i) {
        int d = first + tile_row(i);
        if (d >= depth || !(relation.value(d) > 0)) continue;
#if FORM == 1
        total[i][j] += part[i][j] * relation.left(d);
#else
        total[i][j] -= part[i][j];
#endif
      }
    }
  }
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int d = first + tile_row(i), p = start + tile_column(j);
      if (d < depth && p < pixels) grad_b[(n * depth + d) * pixels + p] = total[i][j];
    }
}
