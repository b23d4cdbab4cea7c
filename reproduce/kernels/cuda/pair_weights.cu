// Gradients of the two matrices of the pairwise mapping; pair.py has the formulas. SCALAR is 2 or 3 here.
#include "common.cuh"
#include "tile.cuh"
#include "outer.cuh"
#include "relation.cuh"

// relu(scale h + shift), (N, M, X), a column at a time.
struct Activated {
  Plain hidden;
  const scalar_t *scale, *shift;  // of the first row
  __device__ Activated(const Plain& of, const scalar_t* slope, const scalar_t* offset)
      : hidden(of), scale(slope + of.first), shift(offset + of.first) {}
  __device__ void place(Spot spot, bool exists) { hidden.place(spot, exists); }
  __device__ bool is_inside() const { return hidden.inside; }
  __device__ int high() const { return hidden.high(); }
  __device__ sum_t at(int row) const { return activate(load(scale, row) * hidden.at(row) + load(shift, row)); }
};

// relu(u) from channel ``first`` on.
struct Related {
  Relation relation;
  int first;
  __device__ void place(Spot spot, bool exists) { relation.place(spot, exists); }
  __device__ bool is_inside() const { return relation.inside; }
  __device__ int high() const { return relation.maps.depth - first; }
  __device__ sum_t at(int row) const { return relation.at(first + row); }
};

// Part of the gradient of weight2 (blocks, Q, M).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_weight2(const scalar_t* __restrict__ logits, const scalar_t* __restrict__ hidden,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, scalar_t* __restrict__ out,
             int batch, int chunk, int outs, int shared, int size) {
  alignas(16) __shared__ sum_t pool[OUTER_POOL];
  int row0 = blockIdx.y * ROWS, column0 = blockIdx.z * ACROSS;
  Chunk mine(static_cast<index_t>(batch) * size, chunk);
  Plain left(logits, row0, shared, size);
  Activated right(Plain(hidden, column0, outs, size), scale, shift);
  sum_outer(left, right, mine.from, mine.to, size, pool, out, row0, column0, shared, outs);
}

// Part of the gradient of weight1 (blocks, M, D).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
pair_weight1(const scalar_t* __restrict__ g, const scalar_t* __restrict__ a, const scalar_t* __restrict__ b,
             const scalar_t* __restrict__ c, scalar_t* __restrict__ out,
             int batch, int chunk, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[OUTER_POOL];
  int size = TAPS * rows * columns, row0 = blockIdx.y * ROWS, column0 = blockIdx.z * ACROSS;
  Chunk mine(static_cast<index_t>(batch) * size, chunk);
  Plain left(g, row0, outs, size);
  Related right{Relation(Maps{a, b, c, depth, height, width, rows, columns}), column0};
  sum_outer(left, right, mine.from, mine.to, size, pool, out, row0, column0, outs, depth);
}
