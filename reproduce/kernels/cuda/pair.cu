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
    multiply(total, Matrix(weight, first, outs, depth, 1), relation, depth, pool, start > stretch.from);
    Spot spot = advance(begin, tile_column(), size);
    Four quad(spot, outs, size, count), fixed(spot, 0, size, count);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = first + tile_row() + i;
      if (m >= outs || count <= 0) continue;
      if (place) {
        sum_t still[4];
        fixed.read(still, place, m);
#pragma unroll
        for (int j = 0; j < 4; ++j) total[i][j] += still[j];
      }
      quad.write(total[i], hidden, m);
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

// The output that this thread has a part of, and the first of its EACH taps; ``n`` is no sample where there is none.
struct Part {
  int n, o, tap;
  __device__ explicit Part(int outputs) : tap(threadIdx.x / SPLIT * EACH) {
    Spot spot = locate(static_cast<index_t>(blockIdx.x) * SPLIT + threadIdx.x % SPLIT, outputs);
    n = spot.n;
    o = spot.at;
  }
};

// The values of all PARTS threads of an output, those of part p ``p * SPLIT`` from the first of them.
__device__ __forceinline__ sum_t* exchange(sum_t* pool, int s) { return pool + s * THREADS + threadIdx.x % SPLIT; }

// alpha (N, Q, T, L) = softmax over taps of weight2 relu(scale h + shift), SHARE channels (grid y) at a time: h is read
// once for all of them, their logits stay in registers, and alpha is written once.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_attend(const scalar_t* __restrict__ hidden, const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift,
            const scalar_t* __restrict__ weight, scalar_t* __restrict__ alpha,
            int batch, int outs, int shared, int outputs) {
  alignas(16) __shared__ sum_t pool[HELD * FACTORS > SHARE * THREADS ? HELD * FACTORS : SHARE * THREADS];
  Part mine(outputs);
  bool is_there = mine.n < batch;  // the others only help to fill the pool
  int first = blockIdx.y * SHARE, size = TAPS * outputs, place = mine.tap * outputs + mine.o;
  int many = is_there ? TAPS - mine.tap : 0;  // taps that there are from the first on
  const scalar_t* column = pin(hidden + (is_there ? static_cast<index_t>(mine.n) * (outs * size) + place : 0));
  sum_t logit[EACH][SHARE];
#pragma unroll
  for (int i = 0; i < EACH; ++i)
#pragma unroll
    for (int s = 0; s < SHARE; ++s) logit[i][s] = 0;
  for (int from = 0; from < outs; from += HELD) {
    int held = outs - from < HELD ? outs - from : HELD;
    __syncthreads();
    for (int e = threadIdx.x; e < held * FACTORS; e += THREADS) {
      int m = from + e / FACTORS, s = e % FACTORS;
      if (s < SHARE) pool[e] = first + s < shared ? weight[(first + s) * outs + m] : sum_t(0);
      else if (s < SHARE + 2) pool[e] = s == SHARE ? scale[m] : shift[m];
    }
    __syncthreads();
#pragma unroll 1
    for (int m = 0; m < held; ++m, column += size) {
      const sum_t* factor = pool + m * FACTORS;
#pragma unroll
      for (int i = 0; i < EACH; ++i) {
        if (i >= many) continue;
        sum_t u = activate(factor[SHARE] * load(column, i * outputs) + factor[SHARE + 1]);
#pragma unroll
        for (int s = 0; s < SHARE; ++s) logit[i][s] += factor[s] * u;
      }
    }
  }
  sum_t most[SHARE], total[SHARE];
#pragma unroll
  for (int s = 0; s < SHARE; ++s) {
    total[s] = 0;
#pragma unroll
    for (int i = 0; i < EACH; ++i)
      if (i < many) {
        Weighing term(logit[i][s], most[s], i == 0);
        total[s] = total[s] * term.shrink + term.share;
      }
  }
  __syncthreads();
#pragma unroll
  for (int s = 0; s < SHARE; ++s) pool[s * THREADS + threadIdx.x] = many > 0 ? most[s] : sum_t(0);
  __syncthreads();
#pragma unroll
  for (int s = 0; s < SHARE; ++s) {
    const sum_t* all = exchange(pool, s);
    sum_t largest = all[0];
#pragma unroll
    for (int p = 1; p < PARTS; ++p)
      if (p * EACH < TAPS && (all[p * SPLIT] > largest || all[p * SPLIT] != all[p * SPLIT])) largest = all[p * SPLIT];
    if (many > 0 && most[s] != largest) total[s] *= exp(most[s] - largest);
    most[s] = largest;
  }
  __syncthreads();
#pragma unroll
  for (int s = 0; s < SHARE; ++s) pool[s * THREADS + threadIdx.x] = total[s];
  __syncthreads();
  alpha += is_there ? static_cast<index_t>(mine.n) * (shared * size) + first * size + place : 0;
#pragma unroll
  for (int s = 0; s < SHARE; ++s) {
    const sum_t* all = exchange(pool, s);
    sum_t sum = spoil(most[s]);
#pragma unroll
    for (int p = 0; p < PARTS; ++p) sum += all[p * SPLIT];
    sum_t share = 1 / sum;
#pragma unroll
    for (int i = 0; i < EACH; ++i)
      if (i < many && first + s < shared) alpha[s * size + i * outputs] = exp(logit[i][s] - most[s]) * share;
  }
}

// Gradient of the logits (N, Q, T, L): alpha (g_alpha - sum_t alpha g_alpha), g_alpha = sum_c gy beta~ (+ extra); one
// weight channel (grid y) at a time, alpha and g_alpha in registers.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_unweigh(const scalar_t* __restrict__ beta, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ extra,
             const scalar_t* __restrict__ alpha, scalar_t* __restrict__ logits,
             int batch, int channels, int shared, int height, int width, int rows, int columns) {
  __shared__ sum_t pool[THREADS];
  int outputs = rows * columns, pixels = height * width, count = channels / shared, q = blockIdx.y;
  Part mine(outputs);
  int many = mine.n < batch ? TAPS - mine.tap : 0;
  index_t n = many > 0 ? mine.n : 0;
  int oy = mine.o / columns, ox = mine.o % columns;
  index_t at = (n * shared + q) * TAPS * outputs + mine.tap * outputs + mine.o;
  grad += (n * channels + q) * outputs + mine.o;
  Bases maps(beta + (n * channels + q) * pixels, shared * pixels);
  sum_t held[SHARE], found[EACH], weight[EACH], mean = 0;
  hold(held, grad, shared * outputs, count);
#pragma unroll
  for (int i = 0; i < EACH; ++i) {
    if (i >= many) continue;
    int t = mine.tap + i, near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
    found[i] = extra ? extra[at + i * outputs] : sum_t(0);
    weight[i] = alpha[at + i * outputs];
    if (exists(near)) {
      found[i] += sum_held(held, maps, near, count);
      if (count > SHARE)
        found[i] += sum_others(maps.at[0] + near, shared * pixels, grad, shared * outputs, count);
    }
    mean += weight[i] * found[i];
  }
  pool[threadIdx.x] = mean;
  __syncthreads();
  mean = 0;
#pragma unroll
  for (int p = 0; p < PARTS; ++p) mean += pool[threadIdx.x % SPLIT + p * SPLIT];
#pragma unroll
  for (int i = 0; i < EACH; ++i)
    if (i < many) logits[at + i * outputs] = weight[i] * (found[i] - mean);
}

// g (N, M, T, L) = 1[relu is open] weight2^T logits, with its sums and its sums with (h - mean), a value a block and row.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
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
    multiply(total, Matrix(weight, first, outs, 1, outs), right, shared, pool, start > stretch.from);
    Four quad(advance(begin, tile_column(), size), outs, size, count);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int m = first + tile_row() + i;
      if (m >= outs || count <= 0) continue;
      sum_t value[4], slope = scale[m], offset = shift[m], middle = mean[m];
      quad.read(value, hidden, m);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j >= count || !is_open(slope * value[j] + offset)) total[i][j] = 0;
        sum[i] += total[i][j];
        product[i] += total[i][j] * (value[j] - middle);
      }
      quad.write(total[i], g, m);
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
