// Gradient of the first matrix of the patchwise mapping; patch.py has the formulas. SCALAR is 2 or 3 here.
#include "common.cuh"
#include "tile.cuh"
#include "outer.cuh"
#include "patch.cuh"

// One tap's values, placed as outer.cuh asks.
struct Tapped {
  Patch patch;
  int tap;
  __device__ void place(Spot spot, bool exists) { patch.place(spot, tap, exists); }
  __device__ bool is_inside() const { return patch.is_inside(); }
  __device__ int high() const { return patch.high(); }
  __device__ sum_t at(int c) const { return patch.at(c); }
};

// Part of the gradient of weight1 (blocks, M, depth, TAPS): one block sums ``chunk`` columns of the batch, for one tap
// and ACROSS channels (grid z, the tap fast).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
patch_weight(const scalar_t* __restrict__ g, const scalar_t* __restrict__ psi, const scalar_t* __restrict__ phi,
             const scalar_t* __restrict__ scale, const scalar_t* __restrict__ shift, scalar_t* __restrict__ out,
             int batch, int chunk, int depth, int outs, int height, int width, int rows, int columns) {
  alignas(16) __shared__ sum_t pool[OUTER_POOL];
  int outputs = rows * columns, row0 = blockIdx.y * ROWS, tap = blockIdx.z % TAPS, column0 = blockIdx.z / TAPS * ACROSS;
  Chunk mine(static_cast<index_t>(batch) * outputs, chunk);
  Plain left(g, row0, outs, outputs);
  Tapped right{Patch(Maps{psi, phi, scale, shift, depth, height, width, rows, columns}, column0, tap), tap};
  sum_outer(left, right, mine.from, mine.to, outputs, pool, out + tap, row0, column0, outs, depth, TAPS);
}
