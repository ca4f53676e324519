/* What Rust and Go draw random bytes from, for a Wine that lacks it (before 9.0), by what Wine has. */
#include <stddef.h>
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *bytes, unsigned long length);
__declspec(dllexport) int ProcessPrng(unsigned char *bytes, size_t length) { return SystemFunction036(bytes, (unsigned long)length); }
