// CUDA on one CPU thread, for tests: a grid, blocks, threads as fibers, barriers and shared memory.
//
// Blocks run one after another, so __shared__ variables are static. A thread runs until it returns or meets a barrier.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

struct Dim { int x, y, z; };
static Dim blockIdx, threadIdx, gridDim, blockDim;

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#ifndef __restrict__
#define __restrict__ __restrict
#endif

static float half_to_float(unsigned short bits) {
  _Float16 value;
  std::memcpy(&value, &bits, 2);
  return static_cast<float>(value);
}
static unsigned short float_to_half(float value) {
  _Float16 half = static_cast<_Float16>(value);
  unsigned short bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}
using std::exp;

namespace shim {
constexpr int kThreads = 256, kStack = 1 << 16;
static ucontext_t home, start;
static jmp_buf scheduler, fibers[kThreads];
static bool done[kThreads];
static int current;
static std::vector<char> stacks(static_cast<size_t>(kThreads) * kStack);
static std::function<void()> body;

static void yield() {
  if (!_setjmp(fibers[current])) _longjmp(scheduler, 1);
}

static void live() {
  for (;;) {
    yield();
    body();
    done[current] = true;
  }
}

static void resume(int t) {
  current = t;
  threadIdx = {t, 0, 0};
  if (!_setjmp(scheduler)) _longjmp(fibers[t], 1);
}

// Contexts only give the fibers their stacks, once; all later switches are jumps, which cost no system call.
static void create() {
  static bool ready = false;
  for (int t = 0; t < kThreads && !ready; ++t) {
    current = t;
    getcontext(&start);
    start.uc_stack.ss_sp = stacks.data() + static_cast<size_t>(t) * kStack;
    start.uc_stack.ss_size = kStack;
    makecontext(&start, live, 0);
    if (!_setjmp(scheduler)) swapcontext(&home, &start);
  }
  ready = true;
}

// One block; 1 when some of its threads ended while others waited at a barrier. From barrier to barrier threads run
// in rising order, then in falling order, and so on: what lacks a barrier goes wrong in the one or in the other.
static int run_block() {
  int broken = 0, falling = (blockIdx.x + blockIdx.y + blockIdx.z) % 2;
  for (int t = 0; t < kThreads; ++t) done[t] = false;
  for (int alive = kThreads; alive > 0; falling = !falling) {
    int before = alive;
    for (int turn = 0; turn < kThreads; ++turn) {
      int t = falling ? kThreads - 1 - turn : turn;
      if (done[t]) continue;
      resume(t);
      if (done[t]) --alive;
    }
    if (alive > 0 && alive < before) broken = 1;
  }
  return broken;
}

static int run(int first, Dim grid, bool barriers, std::function<void()> call) {
  body = call;
  gridDim = grid;
  blockDim = {kThreads, 1, 1};
  if (barriers) create();
  int broken = 0;
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = first; blockIdx.x < grid.x; ++blockIdx.x) {
        if (barriers) broken |= run_block();
        else
          for (threadIdx = {0, 0, 0}; threadIdx.x < kThreads; ++threadIdx.x) body();
      }
  return broken;
}
}  // namespace shim

static void __syncthreads() { shim::yield(); }
