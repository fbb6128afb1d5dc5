// Vectors of events: what the generated C++ of the native emulator computes with.
//
// A vector holds one integer of each of LANES events. The C++ uses the vector extensions of GCC and Clang, which map
// to whatever the processor has. Compiled with -fwrapv: integers wrap, as the wires of the hardware do.
#ifndef L1AD_NATIVE_LANES_H_
#define L1AD_NATIVE_LANES_H_

#include <cstdint>
#include <type_traits>

namespace l1ad {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif

typedef std::int32_t Narrow __attribute__((vector_size(4 * LANES)));
typedef std::int64_t Wide __attribute__((vector_size(8 * LANES)));

inline Wide widen(Narrow x) { return __builtin_convertvector(x, Wide); }
inline Wide widen(Wide x) { return x; }
inline Narrow narrow(Wide x) { return __builtin_convertvector(x, Narrow); }
inline Narrow narrow(Narrow x) { return x; }

// The number that the lowest bits of x stand for.
template <int WIDTH, class V> inline V wrap_signed(V x) {
    constexpr int rest = 8 * sizeof(x[0]) - WIDTH;
    return (x << rest) >> rest;
}
template <int WIDTH, class V> inline V wrap_unsigned(V x) {
    using Lane = std::decay_t<decltype(x[0])>;
    return x & Lane((std::int64_t(1) << WIDTH) - 1);
}

// One entry of a table for each event; the address counts from the smallest number of its type.
template <class V> inline Narrow look_up(const std::int32_t *table, V address, int lowest) {
    Narrow result;
    for (int lane = 0; lane < LANES; lane++)
        result[lane] = table[address[lane] - lowest];
    return result;
}

// The values of LANES events that one part of the program leaves for the next.
struct Slots {
    Narrow *narrow;
    Wide *wide;
};

} // namespace l1ad

#endif
