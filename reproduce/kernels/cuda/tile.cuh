// Small matrix products in shared memory whose right-hand side is computed, not read.
//
// A block of 256 threads holds a tile of 4096 values, ROWS x COLUMNS; a thread has 4 adjacent rows of 4 adjacent
// columns, a warp 16 x 32. So both operands of 16 products come from shared memory as two whole vectors.
// Columns are numbered through all samples of the batch, so that small maps fill their tiles, too.

#define COLUMNS (4096 / ROWS)
#define DEPTH 16
#define HIGH (ROWS + 4)  // from one depth to the next in shared memory: whole vectors, on other banks
#define WIDE (COLUMNS + 4)
#define POOL (DEPTH * (HIGH + WIDE))

struct alignas(16) Quad {
  sum_t v[4];
};

// A column of the batch: its sample, and its place among the ``size`` columns of that sample.
struct Spot {
  index_t n;
  int at;
};

__device__ __forceinline__ Spot locate(index_t column, int size) {
  return Spot{column / size, static_cast<int>(column % size)};
}
__device__ __forceinline__ Spot advance(Spot spot, int by, int size) {
  unsigned int at = static_cast<unsigned int>(spot.at) + by, whole = size;
  return Spot{spot.n + at / whole, static_cast<int>(at % whole)};
}

// Four columns from ``spot`` on, the first ``count`` of them, of row ``m`` of a (N, rows, size) matrix; with rows = 0
// of a (M, size) matrix that is the same for every sample. Whole vectors where the address allows.
__device__ __forceinline__ bool is_vector(const void* address) {
  return reinterpret_cast<unsigned long long>(address) % 16 == 0;
}
__device__ __forceinline__ void load4(sum_t (&value)[4], const scalar_t* __restrict__ from, Spot spot, int m, int rows,
                                      int size, int count) {
  index_t at = (spot.n * rows + m) * size + spot.at;
  if (count >= 4 && spot.at + 4 <= size && is_vector(from + at)) {
    Quad quad = *reinterpret_cast<const Quad*>(from + at);
#pragma unroll
    for (int j = 0; j < 4; ++j) value[j] = quad.v[j];
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    value[j] = j < count ? from[(spot.n * rows + m) * size + spot.at] : sum_t(0);
    spot = advance(spot, 1, size);
  }
}
__device__ __forceinline__ void store4(const sum_t (&value)[4], scalar_t* __restrict__ to, Spot spot, int m, int rows,
                                       int size, int count) {
  index_t at = (spot.n * rows + m) * size + spot.at;
  if (count >= 4 && spot.at + 4 <= size && is_vector(to + at)) {
    *reinterpret_cast<Quad*>(to + at) = Quad{{value[0], value[1], value[2], value[3]}};
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < count) to[(spot.n * rows + m) * size + spot.at] = value[j];
    spot = advance(spot, 1, size);
  }
}

// The columns [from, to) of a block: ``strips`` tiles of the batch.
struct Stretch {
  index_t from, to;
  __device__ Stretch(index_t total, int strips) : from(static_cast<index_t>(blockIdx.x) * strips * COLUMNS), to(total) {
    if (to - from > static_cast<index_t>(strips) * COLUMNS) to = from + strips * COLUMNS;
  }
  // Columns of the tile that begins at ``start``.
  __device__ int width(index_t start) const { return to - start < COLUMNS ? static_cast<int>(to - start) : COLUMNS; }
};

// First row and first column of this thread's 4 x 4 values, and the column whose operands it computes.
__device__ __forceinline__ int tile_row() {
  return threadIdx.x / 32 % (ROWS / 16) * 16 + threadIdx.x % 32 / 8 * 4;
}
__device__ __forceinline__ int tile_column() {
  return threadIdx.x / 32 / (ROWS / 16) * 32 + threadIdx.x % 8 * 4;
}
__device__ __forceinline__ int own_column() { return threadIdx.x % COLUMNS; }

__device__ __forceinline__ void clear(sum_t (&total)[4][4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) total[i][j] = 0;
}

__device__ __forceinline__ void add_outer(sum_t (&total)[4][4], const sum_t* left, const sum_t* right) {
  Quad l = *reinterpret_cast<const Quad*>(left), r = *reinterpret_cast<const Quad*>(right);
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) total[i][j] += l.v[i] * r.v[j];
}

// total += left(row, k) * right.at(k) over k < depth. ``right`` is placed at this thread's own_column(), of which it
// gives zeros where the column does not exist; ``left`` gives zeros for rows that do not exist. ``kept``: the product
// before this one had the same left side; where it is no deeper than the pool, it still lies there.
template <class Left, class Right>
__device__ __forceinline__ void multiply(sum_t (&total)[4][4], const Left& left, const Right& right, int depth,
                                         sum_t* pool, bool kept = false) {
  sum_t *l = pool, *r = pool + DEPTH * HIGH;
  for (int start = 0; start < depth; start += DEPTH) {
    if (!kept || depth > DEPTH)
      for (int e = threadIdx.x; e < DEPTH * ROWS; e += THREADS) {
        int k = e / ROWS, row = e % ROWS;
        l[k * HIGH + row] = start + k < depth ? left(row, start + k) : sum_t(0);
      }
    for (int k = threadIdx.x / COLUMNS; k < DEPTH; k += THREADS / COLUMNS)
      r[k * WIDE + own_column()] = start + k < depth ? right.at(start + k) : sum_t(0);
    __syncthreads();
    int half = start + DEPTH / 2 < depth ? DEPTH : DEPTH / 2;  // thin matrices fill half of the pool
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      if (k >= half) break;
      add_outer(total, l + k * HIGH + tile_row(), r + k * WIDE + tile_column());
    }
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

// Columns of a stored (N, rows, size) matrix, as they are, from row ``first`` on.
struct Plain {
  const scalar_t* data;
  int first, rows, size;
  index_t base;
  bool inside;
  __device__ Plain(const scalar_t* of, int from, int high, int wide)
      : data(of), first(from), rows(high), size(wide), base(0), inside(false) {}
  __device__ void place(Spot spot, bool exists) {
    inside = exists;
    if (exists) base = (spot.n * rows + first) * size + spot.at;
  }
  __device__ sum_t at(int row) const {
    return inside && first + row < rows ? data[base + static_cast<index_t>(row) * size] : sum_t(0);
  }
};

// Sums over the columns of the tile, in a fixed order, of one value a thread and row. Thread r < ROWS has that of row r.
#define HELPERS (THREADS / ROWS)  // threads that add up one row
__device__ __forceinline__ sum_t sum_rows(const sum_t (&value)[4], sum_t* pool) {
  const int step = COLUMNS / 4 + 1;
  sum_t *parts = pool + ROWS * step, total = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) pool[(tile_row() + i) * step + tile_column() / 4] = value[i];
  __syncthreads();
  int row = threadIdx.x / HELPERS, helper = threadIdx.x % HELPERS;
#pragma unroll
  for (int x = 0; x < 4; ++x) total += pool[row * step + 4 * helper + x];
  parts[threadIdx.x] = total;
  __syncthreads();
  total = 0;
  if (threadIdx.x < ROWS)
    for (int x = 0; x < HELPERS; ++x) total += parts[threadIdx.x * HELPERS + x];
  return total;
}
