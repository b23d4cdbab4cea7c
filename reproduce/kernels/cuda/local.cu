// subtraction, subtraction2, aggregation and their derivatives: one thread per output element, no atomics.
#include "common.cuh"

// An element of (planes, size): which plane, which place in it.
struct Element {
  index_t plane;
  int at;
  __device__ explicit Element(int size) : plane(global_thread() / size), at(static_cast<int>(global_thread() % size)) {}
};

// y (planes, T, L): a (planes, H, W) at the centre minus b under every tap.
extern "C" __global__ void __launch_bounds__(THREADS)
subtract(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, scalar_t* __restrict__ y,
         int planes, int height, int width, int rows, int columns) {
  int outputs = rows * columns, pixels = height * width;
  Element mine(outputs);
  if (mine.plane >= planes) return;
  int oy = mine.at / columns, ox = mine.at % columns;
  b += mine.plane * pixels;
  y += mine.plane * TAPS * outputs + mine.at;
  sum_t centre = load(a + mine.plane * pixels, STRIDE * (oy * width + ox));
  Columns near(ox, width);
#pragma unroll 1
  for (int ky = 0; ky < KERNEL; ++ky, y += KERNEL * outputs) {
    int line = border(STRIDE * oy + DILATION * ky - PAD, height) * width;
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) {
      bool inside = exists(line) && exists(near.x[kx]);
      store(y, kx * outputs, inside ? centre - load(b, line + near.x[kx]) : centre);
    }
  }
}

// out (planes, H, W): sum of g (planes, T, L) over the taps where the pixel is a centre, else 0.
extern "C" __global__ void __launch_bounds__(THREADS)
sum_centres(const scalar_t* __restrict__ g, scalar_t* __restrict__ out,
            int planes, int height, int width, int rows, int columns) {
  int pixels = height * width, outputs = rows * columns;
  Element mine(pixels);
  if (mine.plane >= planes) return;
  int y = mine.at / width, x = mine.at % width;
  sum_t total = 0;
  if (y % STRIDE == 0 && x % STRIDE == 0) {
    g += mine.plane * TAPS * outputs + y / STRIDE * columns + x / STRIDE;
#pragma unroll KERNEL
    for (int t = 0; t < TAPS; ++t) total += load(g, t * outputs);
  }
  store(out + mine.plane * pixels, mine.at, total);
}

// The outputs that read a pixel, one copy of its column after another: for each, the columns of KERNEL taps in a row.
struct Readers {
  int x[KERNEL];
  __device__ Readers(int copy, int columns) {
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) x[kx] = reader(copy, kx, columns);
  }
};

// out (planes, H, W): sum of g (planes, T, L) over every (output, tap) that reads the pixel.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
scatter(const scalar_t* __restrict__ g, scalar_t* __restrict__ out,
        int planes, int height, int width, int rows, int columns) {
  int pixels = height * width, outputs = rows * columns;
  Element mine(pixels);
  if (mine.plane >= planes) return;
  g += mine.plane * TAPS * outputs;
  sum_t total = 0;
#pragma unroll 1
  for (int cx = 0; cx < COPIES; ++cx) {
    int x = copy_of(mine.at % width, width, cx);
    if (x < 0) continue;  // an interior pixel has no mirrored copies: no taps to try for them
    Readers read(x, columns);
#pragma unroll 1
    for (int cy = 0; cy < COPIES; ++cy) {
      int y = copy_of(mine.at / width, height, cy);
      if (y < 0) continue;
#pragma unroll 1
      for (int ky = 0; ky < KERNEL; ++ky) {
        int oy = reader(y, ky, rows);
        if (oy < 0) continue;
        const scalar_t* line = g + (ky * KERNEL * outputs + oy * columns);
#pragma unroll
        for (int kx = 0; kx < KERNEL; ++kx)
          if (read.x[kx] >= 0) total += load(line, kx * outputs + read.x[kx]);
      }
    }
  }
  store(out + mine.plane * pixels, mine.at, total);
}

// total += weight (T, L) times the neighbours in ``many`` maps, at most SHARE. Tap by tap: the loads of one tap, as many
// as channels, keep the memory busy, and more of them at once would not fit the registers.
__device__ __forceinline__ void weigh(sum_t (&total)[SHARE], const Bases& x, const scalar_t* __restrict__ weight,
                                      int oy, int ox, int height, int width, int outputs, int many) {
#pragma unroll 1
  for (int ky = 0; ky < KERNEL; ++ky) {
    int y = border(STRIDE * oy + DILATION * ky - PAD, height);
    if (!exists(y)) {
      weight += KERNEL * outputs;
      continue;
    }
#pragma unroll 1
    for (int kx = 0; kx < KERNEL; ++kx, weight += outputs) {
      int near = border(STRIDE * ox + DILATION * kx - PAD, width);
      if (!exists(near)) continue;
      sum_t factor = load(weight);
      near += y * width;
#pragma unroll
      for (int s = 0; s < SHARE; ++s)
        if (s < many) total[s] += factor * load(x.at[s], near);
    }
  }
}

// y (N, C, L): sum over taps of weight (N, Q, T, L), channel c mod Q, times x (N, C, H, W).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregate(const scalar_t* __restrict__ x, const scalar_t* __restrict__ weight, scalar_t* __restrict__ y,
          int batch, int channels, int shared, int height, int width, int rows, int columns) {
  int outputs = rows * columns, pixels = height * width;
  Element mine(outputs);
  index_t n = mine.plane / shared;
  if (n >= batch) return;
  int q = static_cast<int>(mine.plane % shared), oy = mine.at / columns, ox = mine.at % columns;
  weight += mine.plane * TAPS * outputs + mine.at;
  x += n * channels * pixels;
  y += n * channels * outputs + mine.at;
#pragma unroll 1
  for (int first = q; first < channels; first += SHARE * shared) {
    int count = (channels - first) / shared + ((channels - first) % shared != 0);
    Bases maps(x + first * pixels, shared * pixels);
    sum_t total[SHARE] = {0};
    if (count >= SHARE) weigh(total, maps, weight, oy, ox, height, width, outputs, SHARE);
    else weigh(total, maps, weight, oy, ox, height, width, outputs, count);
#pragma unroll
    for (int s = 0; s < SHARE; ++s)
      if (s < count) store(y, (first + s * shared) * outputs, total[s]);
  }
}

// total += weight (T, L) times g (., L) of ``many`` channels, at most SHARE, over all that read pixel (py, px).
__device__ __forceinline__ void gather(sum_t (&total)[SHARE], const Bases& g, const scalar_t* __restrict__ weight,
                                       int py, int px, int height, int width, int rows, int columns, int many) {
  int outputs = rows * columns;
#pragma unroll 1
  for (int cx = 0; cx < COPIES; ++cx) {
    int x = copy_of(px, width, cx);
    if (x < 0) continue;  // an interior pixel has no mirrored copies: no taps to try for them
#pragma unroll 1
    for (int cy = 0; cy < COPIES; ++cy) {
      int y = copy_of(py, height, cy);
      if (y < 0) continue;
#pragma unroll 1
      for (int ky = 0; ky < KERNEL; ++ky) {
        int oy = reader(y, ky, rows);
        if (oy < 0) continue;
        const scalar_t* factors = weight + ky * KERNEL * outputs;
#pragma unroll 1
        for (int kx = 0; kx < KERNEL; ++kx, factors += outputs) {
          int o = reader(x, kx, columns);
          if (o < 0) continue;
          o += oy * columns;
          sum_t factor = load(factors, o);
#pragma unroll
          for (int s = 0; s < SHARE; ++s)
            if (s < many) total[s] += factor * load(g.at[s], o);
        }
      }
    }
  }
}

// dx (N, C, H, W): sum over every (output, tap) that reads the pixel of weight times g (N, C, L).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregate_to_map(const scalar_t* __restrict__ g, const scalar_t* __restrict__ weight, scalar_t* __restrict__ dx,
                 int batch, int channels, int shared, int height, int width, int rows, int columns) {
  int outputs = rows * columns, pixels = height * width;
  Element mine(pixels);
  index_t n = mine.plane / shared;
  if (n >= batch) return;
  int q = static_cast<int>(mine.plane % shared), y = mine.at / width, x = mine.at % width;
  weight += mine.plane * TAPS * outputs;
  g += n * channels * outputs;
  dx += n * channels * pixels + mine.at;
#pragma unroll 1
  for (int first = q; first < channels; first += SHARE * shared) {
    int count = (channels - first) / shared + ((channels - first) % shared != 0);
    Bases maps(g + first * outputs, shared * outputs);
    sum_t total[SHARE] = {0};
    if (count >= SHARE) gather(total, maps, weight, y, x, height, width, rows, columns, SHARE);
    else gather(total, maps, weight, y, x, height, width, rows, columns, count);
#pragma unroll
    for (int s = 0; s < SHARE; ++s)
      if (s < count) store(dx, (first + s * shared) * pixels, total[s]);
  }
}

// What aggregate_to_weight sums, for one thread.
struct Correlation {
  const scalar_t *x, *g;  // of the first channel: the map, and this output of g
  int oy, ox, height, width, outputs, x_step, g_step, count;

  // dw (T, L) of one output from ``many`` channels, at most SHARE, and ``more`` beyond.
  __device__ void write(scalar_t* __restrict__ dw, const sum_t (&held)[SHARE], int many, bool more) const {
    Bases maps(x, x_step);
#pragma unroll 1
    for (int ky = 0; ky < KERNEL; ++ky) {
      int y = border(STRIDE * oy + DILATION * ky - PAD, height);
#pragma unroll 1
      for (int kx = 0; kx < KERNEL; ++kx, dw += outputs) {
        int near = border(STRIDE * ox + DILATION * kx - PAD, width);
        bool inside = exists(y) && exists(near);
        near += y * width;
        sum_t total = 0;
        if (inside) total = sum_held(held, maps, near, many);
        if (inside && more) total += sum_others(x + near, x_step, g, g_step, count);
        store(dw, 0, total);
      }
    }
  }
};

// dw (N, Q, T, L): sum over the channels that share the weight of x (N, C, H, W) times g (N, C, L).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregate_to_weight(const scalar_t* __restrict__ x, const scalar_t* __restrict__ g, scalar_t* __restrict__ dw,
                    int batch, int channels, int shared, int height, int width, int rows, int columns) {
  int outputs = rows * columns, pixels = height * width, count = channels / shared;
  Element mine(outputs);
  index_t n = mine.plane / shared;
  if (n >= batch) return;
  int q = static_cast<int>(mine.plane % shared);
  g += (n * channels + q) * outputs + mine.at;
  dw += mine.plane * TAPS * outputs + mine.at;
  Correlation sums{x + (n * channels + q) * pixels, g, mine.at / columns, mine.at % columns, height, width, outputs,
                   shared * pixels, shared * outputs, count};
  sum_t held[SHARE];
  hold(held, g, shared * outputs, count);
  if (count == SHARE) sums.write(dw, held, SHARE, false);
  else sums.write(dw, held, count, count > SHARE);
}
