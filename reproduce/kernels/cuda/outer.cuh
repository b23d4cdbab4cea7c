// Products of two matrices over their long side, the columns of the batch: what weight gradients are.
//
// The result is a ROWS x ACROSS tile, both 16 to 64, a thread has 4 x 4 values of it. Where that leaves threads over,
// GROUPS of them sum columns of their own into tiles of their own, which are added in order at the end.

#define LANES (ROWS * ACROSS / 16)
#define GROUPS (THREADS / LANES)
#define SPAN (GROUPS > 4 ? 4 * GROUPS : 16)  // columns that lie in shared memory at once
#define LEFT (ROWS + 4)
#define RIGHT (ACROSS + 4)
#define OPERANDS (SPAN * (LEFT + RIGHT))
#define OUTER_POOL (OPERANDS > 16 * THREADS ? OPERANDS : 16 * THREADS)

// First row and first column of this thread's 4 x 4 values within its group's tile.
#define BROAD (ACROSS < 32 ? ACROSS / 4 : 8)  // threads of a row in a block of four such rows
__device__ __forceinline__ int outer_row() {
  int lane = threadIdx.x % LANES;
  return 4 * (lane / BROAD % 4 + 4 * (lane / (4 * BROAD) / (ACROSS / 4 / BROAD)));
}
__device__ __forceinline__ int outer_column() {
  int lane = threadIdx.x % LANES;
  return 4 * (lane % BROAD + BROAD * (lane / (4 * BROAD) % (ACROSS / 4 / BROAD)));
}

// The columns that block x sums: ``chunk`` of the batch.
struct Chunk {
  index_t from, to;
  __device__ Chunk(index_t total, int chunk) : from(static_cast<index_t>(blockIdx.x) * chunk), to(total) {
    if (to - from > chunk) to = from + chunk;
  }
};

// to[i] = side.at(i) for every STEP-th of MANY rows, zeros beyond those that it has. Full tiles are not asked about.
template <int MANY, int STEP, class Side>
__device__ __forceinline__ void fill(sum_t* to, const Side& side, int begin) {
  if (side.is_inside() && side.high() >= MANY) {
#pragma unroll
    for (int i = 0; i < MANY / STEP; ++i) to[begin + i * STEP] = side.at(begin + i * STEP);
  } else {
#pragma unroll 1
    for (int i = begin; i < MANY; i += STEP) to[i] = side.is_inside() && i < side.high() ? side.at(i) : sum_t(0);
  }
}

// out (blocks, rows, columns), this block's part: the sum over its columns x, [from, to) of the batch, of
// left.at(row) * right.at(column). Both sides are placed at x by the thread that reads them, and say how many rows they
// have from the tile's first on. The tile begins at (row0, column0) of ``out``, in which a column is ``out_step`` wide.
template <class Left, class Right>
__device__ __forceinline__ void sum_outer(Left& left, Right& right, index_t from, index_t to, int size, sum_t* pool,
                                          scalar_t* __restrict__ out, int row0, int column0, int rows, int columns,
                                          int out_step = 1) {
  const int turns = SPAN / 8, step = 4 * (THREADS / 32 / turns);  // 8 columns and 4 rows a warp: no bank twice
  sum_t *l = pool, *r = pool + SPAN * LEFT, total[4][4];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = threadIdx.x / LANES;
  int k = 8 * (warp % turns) + lane % 8, begin = 4 * (warp / turns) + lane / 8;
  clear(total);
  Spot spot = advance(locate(from, size), k, size);
  for (index_t start = from; start < to; start += SPAN) {
    left.place(spot, start + k < to);
    right.place(spot, start + k < to);
    fill<ROWS, step>(l + k * LEFT, left, begin);
    fill<ACROSS, step>(r + k * RIGHT, right, begin);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SPAN / GROUPS; ++i) {
      int x = group * (SPAN / GROUPS) + i;
      add_outer(total, l + x * LEFT + outer_row(), r + x * RIGHT + outer_column());
    }
    __syncthreads();
    spot = advance(spot, SPAN, size);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      pool[(group * ROWS + outer_row() + i) * ACROSS + outer_column() + j] = total[i][j];
  __syncthreads();
  for (int e = threadIdx.x; e < ROWS * ACROSS; e += THREADS) {
    int row = row0 + e / ACROSS, column = column0 + e % ACROSS;
    sum_t sum = 0;
    for (int other = 0; other < GROUPS; ++other) sum += pool[other * ROWS * ACROSS + e];
    if (row < rows && column < columns)
      out[((static_cast<index_t>(blockIdx.x) * rows + row) * columns + column) * out_step] = sum;
  }
}
