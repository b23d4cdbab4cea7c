// Types, border rule and tap arithmetic shared by all kernels.
//
// Compile-time macros, and nothing else, select a variant:
//   SCALAR    storage type: 0 float16, 1 bfloat16, 2 float32, 3 float64; sums are float32, or float64 for 3
//   KERNEL STRIDE DILATION REFLECT    the window (odd k; REFLECT 0: zeros beyond the border)
//   FORM      pair*.cu, infer.cu: 0 u = a - b, 1 u = a * b + c      CENTRE    patch*.cu: 1 v = phi - psi, 0 v = psi
//   ROWS      rows of a matrix tile, 16, 32 or 64                   ACROSS    columns of a weight gradient's, as many
// Shapes are run-time arguments (int). A pointer is moved to its sample, plane or column in 64 bits and kept; offsets
// from there are 32-bit: within a sample no tensor has 2^31 values (launcher.py refuses them). Blocks have 256 threads.
// No header is needed, so the text compiles with NVRTC alone.

#define TAPS (KERNEL * KERNEL)
#define PAD (DILATION * (KERNEL - 1) / 2)
#define THREADS 256
#define RESIDENT (SCALAR == 3 ? 1 : 2)  // blocks that must fit a multiprocessor: what registers the compiler may use
#define SHARE 8  // channels that one thread serves with one reading of what they have in common

typedef long long index_t;

#if SCALAR == 3
typedef double scalar_t;
typedef double sum_t;
#elif SCALAR == 2
typedef float scalar_t;
typedef float sum_t;
#else
typedef unsigned short scalar_t;
typedef float sum_t;
#endif

#if SCALAR == 0 && defined(__CUDACC__)
__device__ __forceinline__ float half_to_float(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ __forceinline__ unsigned short float_to_half(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
#endif

// A read of global memory that nothing writes meanwhile; the compiler is told, for it loses track of pinned pointers.
#ifdef __CUDACC__
#define FETCH(pointer) __ldg(pointer)
#else
#define FETCH(pointer) (*(pointer))
#endif

__device__ __forceinline__ sum_t load(const scalar_t* __restrict__ from, int at = 0) {
#if SCALAR == 0
  return half_to_float(FETCH(from + at));
#elif SCALAR == 1
  union { unsigned int bits; float value; } word;
  word.bits = static_cast<unsigned int>(FETCH(from + at)) << 16;
  return word.value;
#else
  return FETCH(from + at);
#endif
}

__device__ __forceinline__ void store(scalar_t* __restrict__ to, int at, sum_t value) {
#if SCALAR == 0
  to[at] = float_to_half(value);
#elif SCALAR == 1
  union { unsigned int bits; float value; } word;
  word.value = value;
  // Round to nearest, ties to even; a NaN keeps a set mantissa bit.
  unsigned int even = (word.bits >> 16) & 1u;
  to[at] = static_cast<scalar_t>(value != value ? 0x7fc0u : (word.bits + 0x7fffu + even) >> 16);
#else
  to[at] = value;
#endif
}

// Coordinate that a padded coordinate reads, or -1 for a zero.
__device__ __forceinline__ int border(int i, int size) {
  if (i >= 0 && i < size) return i;
#if REFLECT
  return i < 0 ? -i : 2 * (size - 1) - i;
#else
  return -1;
#endif
}

// Offset in an H x W map of the neighbour of output (oy, ox) under tap (ky, kx), or -1 for a zero.
__device__ __forceinline__ int neighbour(int oy, int ox, int ky, int kx, int height, int width) {
  int y = border(STRIDE * oy + DILATION * ky - PAD, height);
  int x = border(STRIDE * ox + DILATION * kx - PAD, width);
  return y < 0 || x < 0 ? -1 : y * width + x;
}

// Whether an offset may be that of a zero: under reflection none is, and no instruction asks.
__device__ __forceinline__ bool exists(int near) { return REFLECT || near >= 0; }

// What KERNEL taps in a row read: their columns in a map, or -1 each for a zero. Kept in registers for all rows.
struct Columns {
  int x[KERNEL];
  __device__ Columns(int ox, int width) {
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) x[kx] = border(STRIDE * ox + DILATION * kx - PAD, width);
  }
};

// Kernels with an output and a few channels per thread, and all its taps: PARTS threads share one output, each has EACH
// taps in a row, so that what it finds for them stays in registers. A block has SPLIT outputs; tiling.py counts them.
#define PARTS (TAPS <= 7 ? 1 : TAPS <= 14 ? 2 : TAPS <= 28 ? 4 : TAPS <= 56 ? 8 : TAPS <= 112 ? 16 : 32)
#define EACH ((TAPS + PARTS - 1) / PARTS)
#define SPLIT (THREADS / PARTS)

// Take a pointer as it is from here on: else the compiler forms base and offset anew wherever it is used.
template <class T>
__device__ __forceinline__ T* pin(T* pointer) {
#ifdef __CUDACC__
  asm("" : "+l"(pointer));
#endif
  return pointer;
}

// The first SHARE of the channels that have weights in common, ``step`` values apart: a pointer each.
struct Bases {
  const scalar_t* at[SHARE];
  __device__ Bases(const scalar_t* __restrict__ first, int step) {
#pragma unroll
    for (int s = 0; s < SHARE; ++s) at[s] = pin(first + s * step);
  }
};

// Output coordinate whose tap reads padded coordinate ``padded``, or -1: the neighbour rule solved for the output.
__device__ __forceinline__ int reader(int padded, int tap, int outputs) {
  int moved = padded - DILATION * tap;
  if (padded < 0 || moved < 0 || moved % STRIDE != 0) return -1;
  int o = moved / STRIDE;
  return o < outputs ? o : -1;
}

// Padded coordinates that hold a copy of coordinate i: its own (which 0) and, under reflection, up to two more; or -1.
#if REFLECT && PAD > 0
#define COPIES 3
#else
#define COPIES 1
#endif
__device__ __forceinline__ int copy_of(int i, int size, int which) {
  if (which == 0) return i + PAD;
  if (which == 1) return i >= 1 && i <= PAD ? PAD - i : -1;
  return i <= size - 2 && i >= size - 1 - PAD ? PAD + 2 * (size - 1) - i : -1;
}

// g of the first SHARE of ``count`` channels: kept in registers, all taps need the same ones.
__device__ __forceinline__ void hold(sum_t (&held)[SHARE], const scalar_t* __restrict__ g, int step, int count) {
#pragma unroll
  for (int s = 0; s < SHARE; ++s) held[s] = s < count ? load(g, s * step) : sum_t(0);
}

// The sum over ``many`` channels, at most SHARE, of x at offset ``near`` times g, which is ``held``.
__device__ __forceinline__ sum_t sum_held(const sum_t (&held)[SHARE], const Bases& x, int near, int many) {
  sum_t total = 0;
#pragma unroll
  for (int s = 0; s < SHARE; ++s)
    if (s < many) total += load(x.at[s], near) * held[s];
  return total;
}

// The same over the channels from SHARE on: seldom any, so that these are not held.
__device__ __forceinline__ sum_t sum_others(const scalar_t* __restrict__ x, int x_step, const scalar_t* __restrict__ g,
                                            int g_step, int count) {
  sum_t total = 0;
#pragma unroll 1
  for (int s = SHARE; s < count; ++s) total += load(x, s * x_step) * load(g, s * g_step);
  return total;
}

// The ReLU and its gate as torch has them: NaN is not at most zero, so that it passes, forward and backward.
__device__ __forceinline__ bool is_open(sum_t u) { return !(u <= 0); }
__device__ __forceinline__ sum_t activate(sum_t u) { return is_open(u) ? u : sum_t(0); }

// One more logit of a softmax whose terms are summed relative to the largest so far, ``most``: what so far was summed
// shrinks by ``shrink`` and the new term has ``share``. One of the two is 1. ``first``: there is no term yet.
struct Weighing {
  sum_t shrink, share;
  __device__ Weighing(sum_t logit, sum_t& most, bool first) : shrink(0), share(1) {
    if (first) {
      most = logit;
      return;
    }
    bool higher = logit > most;
    sum_t ratio = logit == most ? sum_t(1) : exp(higher ? most - logit : logit - most);
    shrink = higher ? ratio : sum_t(1);
    share = higher ? sum_t(1) : ratio;
    if (higher) most = logit;
  }
};
// Zero where the largest logit is finite, else NaN: what torch's softmax makes of all taps then.
__device__ __forceinline__ sum_t spoil(sum_t most) { return most - most; }

__device__ __forceinline__ index_t global_thread() {
  return static_cast<index_t>(blockIdx.x) * THREADS + threadIdx.x;
}
