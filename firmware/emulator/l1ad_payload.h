// Raw integers in and out of the payloads of an emulated model; what the model and the program that checks it share.
//
// Included after payload.h, inside the namespace of the model.
#ifndef L1AD_PAYLOAD_H_
#define L1AD_PAYLOAD_H_

namespace l1ad {

template <class T> struct IsPair : std::false_type {};
template <class A, class B> struct IsPair<std::pair<A, B>> : std::true_type {};
template <class T> struct IsArray : std::false_type {};
template <class T, std::size_t N> struct IsArray<std::array<T, N>> : std::true_type {};

// One number, a fixed-point value, a float or a raw integer, from the raw integer of a type with `fraction` bits
// right of the point.
template <class T> void store_number(std::int64_t raw, int fraction, T &number) {
    if constexpr (std::is_same_v<T, std::int64_t>)
        number = raw;
    else if constexpr (std::is_floating_point_v<T>)
        number = std::ldexp(T(raw), -fraction);
    else
        from_raw(raw, number);
}

template <class T> std::int64_t load_number(const T &number, int fraction) {
    if constexpr (std::is_same_v<T, std::int64_t>)
        return number;
    else if constexpr (std::is_floating_point_v<T>)
        return std::int64_t(std::ldexp(number, fraction));
    else
        return to_raw(number);
}

template <class T> void store_result(const std::int64_t *scores, const std::int64_t *latent, T &result) {
    if constexpr (IsPair<T>::value) {
        for (std::size_t i = 0; i < result.first.size(); i++)
            from_raw(latent[i], result.first[i]);
        store_result(scores, latent, result.second);
    } else if constexpr (IsArray<T>::value) {
        for (std::size_t i = 0; i < result.size(); i++)
            store_number(scores[i], Payload::score_fraction, result[i]);
    } else {
        store_number(scores[0], Payload::score_fraction, result);
    }
}

template <class T> void load_scores(const T &result, std::int64_t *scores) {
    if constexpr (IsPair<T>::value) {
        load_scores(result.second, scores);
    } else if constexpr (IsArray<T>::value) {
        for (std::size_t i = 0; i < result.size(); i++)
            scores[i] = load_number(result[i], Payload::score_fraction);
    } else {
        scores[0] = load_number(result, Payload::score_fraction);
    }
}

} // namespace l1ad

#endif
