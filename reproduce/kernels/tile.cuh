// Small matrix products in shared memory whose right-hand side is computed, not read.
//
// A block of 256 threads, 16 x 16, holds a ROWS x 64 tile: thread (ty, tx) has rows ty + 16 i and columns tx + 16 j.

#define COLUMNS 64
#define DEPTH 16
#define MINE (ROWS / 16)
#define POOL (DEPTH * (ROWS + 1) + DEPTH * (COLUMNS + 1))

__device__ __forceinline__ int tile_row(int i) { return threadIdx.x / 16 + 16 * i; }
__device__ __forceinline__ int tile_column(int j) { return threadIdx.x % 16 + 16 * j; }
__device__ __forceinline__ int own_column() { return threadIdx.x % COLUMNS; }

__device__ __forceinline__ void clear(sum_t (&total)[MINE][4]) {
#pragma unroll
  for (int i = 0; i < MINE; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) total[i][j] = 0;
}

__device__ __forceinline__ void accumulate(sum_t (&total)[MINE][4], const sum_t* left, const sum_t* right) {
#pragma unroll
  for (int k = 0; k < DEPTH; ++k) {
    sum_t l[MINE], r[4];
#pragma unroll
    for (int i = 0; i < MINE; ++i) l[i] = left[k * (ROWS + 1) + tile_row(i)];
#pragma unroll
    for (int j = 0; j < 4; ++j) r[j] = right[k * (COLUMNS + 1) + tile_column(j)];
#pragma unroll
    for (int i = 0; i < MINE; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) total[i][j] += l[i] * r[j];
  }
}

// total += left(row, k) * right.at(k) over k < depth. ``right`` is set to this thread's own_column(), of which it
// gives zeros where the column does not exist; ``left`` gives zeros for rows that do not exist.
template <class Left, class Right>
__device__ __forceinline__ void multiply(sum_t (&total)[MINE][4], const Left& left, const Right& right, int depth,
                                         sum_t* pool) {
  sum_t *l = pool, *r = pool + DEPTH * (ROWS + 1);
  for (int start = 0; start < depth; start += DEPTH) {
    for (int e = threadIdx.x; e < DEPTH * ROWS; e += THREADS) {
      int k = e / ROWS, row = e % ROWS;
      l[k * (ROWS + 1) + row] = start + k < depth ? left(row, start + k) : sum_t(0);
    }
    for (int k = threadIdx.x / COLUMNS; k < DEPTH; k += THREADS / COLUMNS)
      r[k * (COLUMNS + 1) + own_column()] = start + k < depth ? right.at(start + k) : sum_t(0);
    __syncthreads();
    accumulate(total, l, r);
    __syncthreads();
  }
}

// total += sum over x in [from, to) of left.at(row) * right.at(column), both placed at x by the thread that reads it.
template <class Left, class Right>
__device__ __forceinline__ void outer(sum_t (&total)[MINE][4], Left& left, Right& right, int from, int to,
                                      sum_t* pool) {
  sum_t *l = pool, *r = pool + DEPTH * (ROWS + 1);
  int k = threadIdx.x % DEPTH;
  for (int start = from; start < to; start += DEPTH) {
    bool inside = start + k < to;
    left.place(start + k, inside);
    right.place(start + k, inside);
    for (int row = threadIdx.x / DEPTH; row < ROWS; row += THREADS / DEPTH)
      l[k * (ROWS + 1) + row] = left.at(row);
    for (int column = threadIdx.x / DEPTH; column < COLUMNS; column += THREADS / DEPTH)
      r[k * (COLUMNS + 1) + column] = right.at(column);
    __syncthreads();
    accumulate(total, l, r);
    __syncthreads();
  }
}

// A row-major matrix, or its transpose, with zeros beyond its rows.
struct Matrix {
  const scalar_t* data;
  int first, rows;
  index_t row_step, depth_step;
  __device__ sum_t operator()(int row, int k) const {
    return first + row < rows ? data[(first + row) * row_step + k * depth_step] : sum_t(0);
  }
};

// Columns x of a stored (rows, X) matrix, as they are.
struct Plain {
  const scalar_t* data;
  index_t base, step;
  int first, rows, x;
  bool inside;
  __device__ void place(int column, bool exists) { x = column; inside = exists; }
  __device__ sum_t at(int row) const {
    return inside && first + row < rows ? data[base + (first + row) * step + x] : sum_t(0);
  }
};

// Sum of one value a thread and row over the 16 threads of that row, in order; valid in the threads with tx = 0.
__device__ __forceinline__ sum_t sum_row(sum_t value, sum_t* pool) {
  pool[threadIdx.x] = value;
  __syncthreads();
  sum_t total = 0;
  if (threadIdx.x % 16 == 0)
    for (int x = 0; x < 16; ++x) total += pool[threadIdx.x + x];
  __syncthreads();
  return total;
}
