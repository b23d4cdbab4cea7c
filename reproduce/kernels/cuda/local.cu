// subtraction, subtraction2, aggregation and their derivatives: one thread an output element, no atomics.
#include "common.cuh"

// y (planes, T, L): a (planes, H, W) at the centre minus b under every tap.
extern "C" __global__ void __launch_bounds__(THREADS)
subtract(const scalar_t* __restrict__ a, const scalar_t* __restrict__ b, scalar_t* __restrict__ y,
         int planes, int height, int width, int rows, int columns) {
  index_t outputs = static_cast<index_t>(rows) * columns, at = global_thread();
  if (at >= planes * outputs) return;
  index_t plane = at / outputs;
  int o = static_cast<int>(at % outputs), oy = o / columns, ox = o % columns;
  index_t map = plane * height * width;
  sum_t centre = load(a, map + static_cast<index_t>(STRIDE * oy) * width + STRIDE * ox);
  for (int t = 0; t < TAPS; ++t) {
    int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
    store(y, (plane * TAPS + t) * outputs + o, near < 0 ? centre : centre - load(b, map + near));
  }
}

// out (planes, H, W): sum of g (planes, T, L) over the taps where the pixel is a centre, else 0.
extern "C" __global__ void __launch_bounds__(THREADS)
sum_centres(const scalar_t* __restrict__ g, scalar_t* __restrict__ out,
            int planes, int height, int width, int rows, int columns) {
  index_t pixels = static_cast<index_t>(height) * width, at = global_thread();
  if (at >= planes * pixels) return;
  index_t plane = at / pixels, outputs = static_cast<index_t>(rows) * columns;
  int i = static_cast<int>(at % pixels), y = i / width, x = i % width;
  sum_t total = 0;
  if (y % STRIDE == 0 && x % STRIDE == 0) {
    index_t o = static_cast<index_t>(y / STRIDE) * columns + x / STRIDE;
    for (int t = 0; t < TAPS; ++t) total += load(g, (plane * TAPS + t) * outputs + o);
  }
  store(out, at, total);
}

// out (planes, H, W): sum of g (planes, T, L) over every (output, tap) that reads the pixel.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
scatter(const scalar_t* __restrict__ g, scalar_t* __restrict__ out,
        int planes, int height, int width, int rows, int columns) {
  index_t pixels = static_cast<index_t>(height) * width, at = global_thread();
  if (at >= planes * pixels) return;
  index_t plane = at / pixels, outputs = static_cast<index_t>(rows) * columns;
  int i = static_cast<int>(at % pixels);
  sum_t total = 0;
  for (int cy = 0; cy < COPIES; ++cy) {
    int y = copy_of(i / width, height, cy);
    if (y < 0) continue;  // an interior pixel has no mirrored copies: no taps to try for them
    for (int ky = 0; ky < KERNEL; ++ky) {
      int oy = reader(y, ky, rows);
      if (oy < 0) continue;
      for (int cx = 0; cx < COPIES; ++cx) {
        int x = copy_of(i % width, width, cx);
        if (x < 0) continue;
        for (int kx = 0; kx < KERNEL; ++kx) {
          int ox = reader(x, kx, columns);
          if (ox < 0) continue;
          index_t row = plane * TAPS + ky * KERNEL + kx;
          total += load(g, row * outputs + static_cast<index_t>(oy) * columns + ox);
        }
      }
    }
  }
  store(out, at, total);
}

// y (N, C, L): sum over taps of weight (N, Q, T, L), channel c mod Q, times x (N, C, H, W).
extern "C" __global__ void __launch_bounds__(THREADS)
aggregate(const scalar_t* __restrict__ x, const scalar_t* __restrict__ weight, scalar_t* __restrict__ y,
          int batch, int channels, int shared, int height, int width, int rows, int columns) {
  index_t outputs = static_cast<index_t>(rows) * columns, at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * outputs) return;
  index_t group = at / outputs, n = group / shared, pixels = static_cast<index_t>(height) * width;
  int o = static_cast<int>(at % outputs), oy = o / columns, ox = o % columns, q = static_cast<int>(group % shared);
  for (int first = q; first < channels; first += SHARE * shared) {
    sum_t total[SHARE] = {0};
    for (int t = 0; t < TAPS; ++t) {
      int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
      if (near < 0) continue;
      sum_t factor = load(weight, (group * TAPS + t) * outputs + o);
#pragma unroll
      for (int s = 0; s < SHARE; ++s) {
        int c = first + s * shared;
        if (c < channels) total[s] += factor * load(x, (n * channels + c) * pixels + near);
      }
    }
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      int c = first + s * shared;
      if (c < channels) store(y, (n * channels + c) * outputs + o, total[s]);
    }
  }
}

// dx (N, C, H, W): sum over every (output, tap) that reads the pixel of weight times g (N, C, L).
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregate_to_map(const scalar_t* __restrict__ g, const scalar_t* __restrict__ weight, scalar_t* __restrict__ dx,
                 int batch, int channels, int shared, int height, int width, int rows, int columns) {
  index_t pixels = static_cast<index_t>(height) * width, at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * pixels) return;
  index_t group = at / pixels, n = group / shared, outputs = static_cast<index_t>(rows) * columns;
  int i = static_cast<int>(at % pixels), q = static_cast<int>(group % shared);
  for (int first = q; first < channels; first += SHARE * shared) {
    sum_t total[SHARE] = {0};
    for (int cy = 0; cy < COPIES; ++cy) {
      int y = copy_of(i / width, height, cy);
      if (y < 0) continue;
      for (int ky = 0; ky < KERNEL; ++ky) {
        int oy = reader(y, ky, rows);
        if (oy < 0) continue;
        for (int cx = 0; cx < COPIES; ++cx) {
          int x = copy_of(i % width, width, cx);
          if (x < 0) continue;
          for (int kx = 0; kx < KERNEL; ++kx) {
            int ox = reader(x, kx, columns);
            if (ox < 0) continue;
            index_t o = static_cast<index_t>(oy) * columns + ox;
            sum_t factor = load(weight, (group * TAPS + ky * KERNEL + kx) * outputs + o);
#pragma unroll
            for (int s = 0; s < SHARE; ++s) {
              int c = first + s * shared;
              if (c < channels) total[s] += factor * load(g, (n * channels + c) * outputs + o);
            }
          }
        }
      }
    }
#pragma unroll
    for (int s = 0; s < SHARE; ++s) {
      int c = first + s * shared;
      if (c < channels) store(dx, (n * channels + c) * pixels + i, total[s]);
    }
  }
}

// dw (N, Q, T, L): sum over the channels that share the weight of x (N, C, H, W) times g (N, C, L).
extern "C" __global__ void __launch_bounds__(THREADS)
aggregate_to_weight(const scalar_t* __restrict__ x, const scalar_t* __restrict__ g, scalar_t* __restrict__ dw,
                    int batch, int channels, int shared, int height, int width, int rows, int columns) {
  index_t outputs = static_cast<index_t>(rows) * columns, at = global_thread();
  if (at >= static_cast<index_t>(batch) * shared * outputs) return;
  index_t group = at / outputs, n = group / shared, pixels = static_cast<index_t>(height) * width;
  int o = static_cast<int>(at % outputs), oy = o / columns, ox = o % columns, q = static_cast<int>(group % shared);
  index_t plane = n * channels + q, g_at = plane * outputs + o;
  int count = channels / shared;
  sum_t held[SHARE];
  hold(held, g, g_at, shared * outputs, count);
  for (int t = 0; t < TAPS; ++t) {
    int near = neighbour(oy, ox, t / KERNEL, t % KERNEL, height, width);
    sum_t total = 0;
    if (near >= 0)
      total = add_products(total, held, x, plane * pixels + near, shared * pixels, g, g_at, shared * outputs, count);
    store(dw, (group * TAPS + t) * outputs + o, total);
  }
}
