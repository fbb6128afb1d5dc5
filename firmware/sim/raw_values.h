// Raw integers in and out of the fixed-point types of HLS: bits, never floats.
//
// Included after ap_fixed.h, ap_int.h and <cstdint>; inside a namespace when a program holds several models.
#ifndef L1AD_RAW_VALUES_H_
#define L1AD_RAW_VALUES_H_

namespace l1ad {

struct Format {
    bool is_signed;
    int width;
    int integer;
};

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
constexpr Format format_of(const ap_fixed_base<W, I, S, Q, O, N> *) {
    return {S, W, I};
}

template <int W, bool S> constexpr Format format_of(const ap_int_base<W, S> *) { return {S, W, W}; }

template <class T> constexpr Format format() { return format_of(static_cast<const T *>(nullptr)); }

template <class T> std::int64_t to_raw(const T &value) {
    constexpr Format type = format<T>();
    static_assert(type.width <= (type.is_signed ? 64 : 63), "a raw integer of this type does not fit int64");
    const ap_uint<type.width> pattern = value.range(type.width - 1, 0);
    std::uint64_t bits = pattern.to_uint64();
    if (type.is_signed && type.width < 64 && (bits >> (type.width - 1)))
        bits |= ~std::uint64_t(0) << (type.width % 64);
    return static_cast<std::int64_t>(bits);
}

template <class T> void from_raw(std::int64_t raw, T &value) {
    constexpr Format type = format<T>();
    static_assert(type.width <= (type.is_signed ? 64 : 63), "a raw integer of this type does not fit int64");
    value.range(type.width - 1, 0) = ap_uint<type.width>(static_cast<ap_ulong>(raw));
}

} // namespace l1ad

#endif
