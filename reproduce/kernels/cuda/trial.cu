// One value written by one thread: whether kernels compile, load and run here at all.
extern "C" __global__ void trial(int* out) { *out = 1; }
