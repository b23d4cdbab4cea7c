// Small matrix products in shared memory whose right-hand side is computed, not read.
//
// A block of 256 threads holds a tile of 4096 values, ROWS x COLUMNS; a thread has 4 adjacent rows of 4 adjacent
// columns, a warp 16 x 32. So both operands of 16 products come from shared memory as two whole vectors.
// Columns are numbered through all samples of the batch, so that small maps fill their tiles, too.

#define COLUMNS (4096 / ROWS)
#define DEPTH 16
#ifndef DEEP
#define DEEP 4  // steps of a product that are written out
#endif
#define HIGH (ROWS + 4)  // from one depth to the next in shared memory: whole vectors, on other banks
#define WIDE (COLUMNS + 4)
#define POOL (DEPTH * (HIGH + WIDE))

struct alignas(16) Quad {
  sum_t v[4];
};

// A column of the batch: its sample, and its place among the ``size`` columns of that sample.
struct Spot {
  int n, at;
};

__device__ __forceinline__ Spot locate(index_t column, int size) {
  return Spot{static_cast<int>(column / size), static_cast<int>(column % size)};
}
__device__ __forceinline__ Spot advance(Spot spot, int by, int size) {
  unsigned int at = static_cast<unsigned int>(spot.at) + by, whole = size;
  return Spot{spot.n + static_cast<int>(at / whole), static_cast<int>(at % whole)};
}

// Four adjacent columns of a (N, rows, size) matrix, the first ``count`` of them: where each begins. With rows = 0 of a
// (M, size) matrix that is the same for every sample. Found once per tile; a row is ``size`` further than the one before.
__device__ __forceinline__ bool is_vector(const void* address) {
  return reinterpret_cast<unsigned long long>(address) % 16 == 0;
}
struct Four {
  index_t first;
  int step[3], count, size;  // from the first column to the others, which may lie in the next samples
  bool whole;                // they are adjacent in memory, too, and so they are in every row
  __device__ Four(Spot spot, int rows, int wide, int many) : count(many), size(wide), whole(many >= 4 && wide % 4 == 0) {
    first = static_cast<index_t>(spot.n) * (rows * size) + spot.at;
#pragma unroll
    for (int j = 0; j < 3; ++j) {
      step[j] = j + 1;
      if (whole) continue;
      Spot other = advance(spot, j + 1, size);
      step[j] = (other.n - spot.n) * rows * size + other.at - spot.at;
    }
  }
  __device__ void read(sum_t (&value)[4], const scalar_t* __restrict__ from, int m) const {
    const scalar_t* row = from + first + m * size;
    if (whole && is_vector(from)) {
      Quad quad = *reinterpret_cast<const Quad*>(row);
#pragma unroll
      for (int j = 0; j < 4; ++j) value[j] = quad.v[j];
      return;
    }
    value[0] = count > 0 ? row[0] : sum_t(0);
#pragma unroll
    for (int j = 1; j < 4; ++j) value[j] = j < count ? row[step[j - 1]] : sum_t(0);
  }
  __device__ void write(const sum_t (&value)[4], scalar_t* __restrict__ to, int m) const {
    scalar_t* row = to + first + m * size;
    if (whole && is_vector(to)) {
      *reinterpret_cast<Quad*>(row) = Quad{{value[0], value[1], value[2], value[3]}};
      return;
    }
    if (count > 0) row[0] = value[0];
#pragma unroll
    for (int j = 1; j < 4; ++j)
      if (j < count) row[step[j - 1]] = value[j];
  }
};

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

// total += left.at(row, k) * right.at(k) over k < depth. ``right`` is placed at this thread's own_column(), ``inside``
// where that exists; ``left`` has ``rows`` rows. ``kept``: the product before this one had the same left side; where it
// is no deeper than the pool, it still lies there. Full groups of DEPTH are read without asking for every value.
template <class Left, class Right>
__device__ __forceinline__ void multiply(sum_t (&total)[4][4], const Left& left, const Right& right, int depth,
                                         sum_t* pool, bool kept = false) {
  sum_t *l = pool, *r = pool + DEPTH * HIGH + own_column();
  const int turns = DEPTH * COLUMNS / THREADS, turn = THREADS / COLUMNS;  // values of the right side per thread
#pragma unroll 1
  for (int start = 0; start < depth; start += DEPTH) {
    int mine = start + threadIdx.x / COLUMNS;
    if (!kept || depth > DEPTH) {
#pragma unroll 1
      for (int e = threadIdx.x; e < DEPTH * ROWS; e += THREADS) {
        int k = e / ROWS, row = e % ROWS;
        l[k * HIGH + row] = start + k < depth && row < left.rows ? left.at(row, start + k) : sum_t(0);
      }
    }
    if (right.inside && start + DEPTH <= depth) {
#pragma unroll (turns < 8 ? turns : 8)
      for (int i = 0; i < turns; ++i) r[(mine - start + i * turn) * WIDE] = right.at(mine + i * turn);
    } else {
#pragma unroll 1
      for (int i = 0; i < turns; ++i) {
        int k = mine + i * turn;
        r[(k - start) * WIDE] = right.inside && k < depth ? right.at(k) : sum_t(0);
      }
    }
    __syncthreads();
    int half = start + DEPTH / 2 < depth ? DEPTH : DEPTH / 2;  // thin matrices fill half of the pool
#pragma unroll DEEP
    for (int k = 0; k < half; ++k)
      add_outer(total, l + k * HIGH + tile_row(), pool + DEPTH * HIGH + k * WIDE + tile_column());
    __syncthreads();
  }
}

// A row-major matrix from one row on, or its transpose.
struct Matrix {
  const scalar_t* data;
  int rows, row_step, depth_step;
  __device__ Matrix(const scalar_t* of, int first, int high, int row, int depth)
      : data(of + static_cast<index_t>(first) * row), rows(high - first), row_step(row), depth_step(depth) {}
  __device__ sum_t at(int row, int k) const { return load(data, row * row_step + k * depth_step); }
};

// Columns of a stored (N, rows, size) matrix, as they are, from row ``first`` on.
struct Plain {
  const scalar_t* data;
  const scalar_t* mine;
  int first, rows, size;
  bool inside;
  __device__ Plain(const scalar_t* of, int from, int high, int wide)
      : data(of), mine(of), first(from), rows(high), size(wide), inside(false) {}
  __device__ void place(Spot spot, bool exists) {
    inside = exists;
    if (exists) mine = pin(data + static_cast<index_t>(spot.n) * (rows * size) + first * size + spot.at);
  }
  __device__ bool is_inside() const { return inside; }
  __device__ int high() const { return rows - first; }  // rows that there are from the first on
  __device__ sum_t at(int row) const { return load(mine, row * size); }
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
