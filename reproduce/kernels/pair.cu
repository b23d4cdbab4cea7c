// Pairwise attention behind the folded first BatchNorm; pair.py has the formulas. SCALAR is 2 or 3 here.
//
// Forward: pair_project writes h, M values a pair, and its statistics; pair_attend turns h into alpha and y.
// Backward: pair_unweigh, pair_unactivate and two outer products lead back to h, pair_to_centre and pair_to_neighbour
// from h to the maps. The relation tensor u is computed where it is used and never stored.
#include "common.cuh"
#include "tile.cuh"
#include "relation.cuh"

// The gradient of h as the second BatchNorm's backward leaves it: gain * g + slope * h + offset, per row.
struct Gradient {
  const scalar_t *g, *hidden, *gain, *slope, *offset;
  index_t base, step;
  int first, rows;
  bool inside;
  __device__ void place(index_t x, bool exists) { base = x; inside = exists; }
  __device__ void place(int x, bool exists) { place(static_cast<index_t>(x) + start, exists); }
  __device__ sum_t at(int row) const {
    int m = first + row;
    if (!inside || m >= rows) return 0;
    index_t i = base + m * step;
    return gain[m] * g[i] + slope[m] * hidden[i] + offset[m];
  }
  index_t start;
};

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

// alpha (N, Q, T, L) = softmax over taps of weight2 relu(scale h + shift); one thread a (weight channel, output).
extern "C" __global__ void __launch_bounds__(THREADS)
pair_attend(const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift,
            const scalar_t* __restrict__ weight, scalar_t* __restrict__ alpha,
            int batch, int outs, int shared, int outputs) {
  index_t at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * outputs) return;
  index_t group = at / outputs, n = group / shared, step = static_cast<index_t>(TAPS) * outputs;
  index_t o = at % outputs, q = group % shared;
  sum_t most = 0, total = 0;
  for (int t = 0; t < TAPS; ++t) {
    sum_t logit = 0;
    for (int m = 0; m < outs; ++m) {
      sum_t u = scale[m] * hidden[(n * outs + m) * step + t * static_cast<index_t>(outputs) + o] + shift[m];
      logit += weight[q * outs + m] * (u > 0 ? u : sum_t(0));
    }
    alpha[group * step + t * static_cast<index_t>(outputs) + o] = logit;
    sum_t higher = t == 0 || logit > most ? logit : most;
    total = t == 0 ? sum_t(1) : total * exp(most - higher) + exp(logit - higher);
    most = higher;
  }
  for (int t = 0; t < TAPS; ++t) {
    index_t i = group * step + t * static_cast<index_t>(outputs) + o;
    alpha[i] = exp(alpha[i] - most) / total;
  }
}

// Gradient of the logits (N, Q, T, L): alpha (g_alpha - sum_t alpha g_alpha), g_alpha = sum_c gy beta~ (+ extra).
extern "C" __global__ void __launch_bounds__(THREADS)
pair_unweigh(const scalar_t* __restrict__ beta, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ extra,
             const scalar_t* __restrict__ alpha, scalar_t* __restrict__ logits,
             int batch, int channels, int shared, int height, int width, int rows, int columns) {
  index_t outputs = static_cast<index_t>(rows) * columns, at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * outputs) return;
  index_t group = at / outputs, n = group / shared, pixels = static_cast<index_t>(height) * width;
  int o = static_cast<int>(at % outputs), oy = o / columns, ox = o % columns, q = static_cast<int>(group % shared);
  sum_t mean = 0;
  for (int t = 0; t < TAPS; ++t) {
    index_t i = (group * TAPS + t) * outputs + o;
    int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
    sum_t total = extra ? extra[i] : sum_t(0);
    if (near >= 0)
      for (int c = q; c < channels; c += shared)
        total += beta[(n * channels + c) * pixels + near] * grad[(n * channels + c) * outputs + o];
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
extern "C" __global__ void __launch_bounds__(THREADS)
pair_weight1(const scalar_t* __restrict__ g, const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ gain,
             const scalar_t* __restrict__ slope, const scalar_t* __restrict__ offset, const scalar_t* __restrict__ a,
             const scalar_t* __restrict__ b, const scalar_t* __restrict__ c, scalar_t* __restrict__ out,
             int depth, int outs, int height, int width, int rows, int columns, int chunk) {
  __shared__ sum_t pool[POOL];
  int size = TAPS * rows * columns, chunks = (size + chunk - 1) / chunk;
  int row0 = blockIdx.y * ROWS, column0 = blockIdx.z * COLUMNS;
  index_t n = blockIdx.x / chunks;
  int from = static_cast<int>(blockIdx.x % chunks) * chunk, to = from + chunk < size ? from + chunk : size;
  sum_t total[MINE][4];
  clear(total);
  Gradient left{g, hidden, gain, slope, offset, 0, size, row0, outs, false, n * outs * size};
  Shifted right{Relation(Maps{a, b, c, depth, height, width, rows, columns}, n), column0};
  outer(total, left, right, from, to, pool);
  store_partial(total, out, row0, column0, outs, depth);
}

// Gradient of a at the centres (N, D, L), and (FORM 1) the plain sum over taps that c needs.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
pair_to_centre(const scalar_t* __restrict__ g, const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ gain,
               const scalar_t* __restrict__ slope, const scalar_t* __restrict__ offset, const scalar_t* __restrict__ a,
               const scalar_t* __restrict__ b, const scalar_t* __restrict__ c, const scalar_t* __restrict__ weight,
               scalar_t* __restrict__ grad_a, scalar_t* __restrict__ grad_sum,
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
    Gradient right{g, hidden, gain, slope, offset, 0, size, 0, outs, false, 0};
    right.place(n * outs * size + static_cast<index_t>(t) * outputs + start + own_column(),
                start + own_column() < outputs);
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
pair_to_neighbour(const scalar_t* __restrict__ g, const scalar_t* __restrict__ hidden,
                  const scalar_t* __restrict__ gain, const scalar_t* __restrict__ slope,
                  const scalar_t* __restrict__ offset, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
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
    Gradient right{g, hidden, gain, slope, offset, 0, size, 0, outs, false, 0};
    right.place(n * outs * size + static_cast<index_t>(t) * outputs + oy * columns + ox, oy >= 0 && ox >= 0);
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
