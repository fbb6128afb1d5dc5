// Latent-space anomaly score, exact by definition (see l1ad/scores/integer.py).
//
//   rz :  (sum_i mean[i]^2 * table[log_variance[i]]) cut to the score's fraction, saturated
//   mu2:  (sum_i mean[i]^2)                          cut to the score's fraction, saturated
//   kl :  (sum_i mean[i]^2 + table[log_variance[i]]) / 2, cut and saturated in the same way
//
// Every intermediate type is wide enough for its exact value: nothing is rounded before the last assignment.
#ifndef L1AD_NNET_LATENT_SCORE_H_
#define L1AD_NNET_LATENT_SCORE_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct latent_score_config {
    static const unsigned n_in = 3;
    static const unsigned address_bits = 8;
    typedef ap_fixed<8, 4> log_variance_t;
    typedef ap_ufixed<32, 16> square_t;
    typedef ap_ufixed<48, 24> accum_t;
    typedef ap_ufixed<20, 14, AP_TRN, AP_SAT> score_t;
    typedef ap_ufixed<10, 5> table_t;
};

template <class mean_T, typename CONFIG_T> typename CONFIG_T::square_t latent_square(mean_T mean) {
    #pragma HLS INLINE
    typename CONFIG_T::square_t square = mean * mean;
    return square;
}

template <class mean_T, class logvar_T, class res_T, typename CONFIG_T>
void latent_score_rz(mean_T mean[CONFIG_T::n_in], logvar_T log_variance[CONFIG_T::n_in], res_T res[1],
                     typename CONFIG_T::table_t table[1u << CONFIG_T::address_bits]) {
    #pragma HLS PIPELINE
    #pragma HLS ARRAY_PARTITION variable=table complete
    typename CONFIG_T::accum_t total = 0;
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        // The address is the bit pattern in the declared type; the port may be narrower when its range allows.
        typename CONFIG_T::log_variance_t declared = log_variance[i];
        ap_uint<CONFIG_T::address_bits> address = declared.range(CONFIG_T::address_bits - 1, 0);
        typename CONFIG_T::table_t weight = table[address];
        typename CONFIG_T::accum_t term = latent_square<mean_T, CONFIG_T>(mean[i]) * weight;
        total += term;
    }
    typename CONFIG_T::score_t score = total;
    res[0] = score;
}

template <class mean_T, class logvar_T, class res_T, typename CONFIG_T>
void latent_score_kl(mean_T mean[CONFIG_T::n_in], logvar_T log_variance[CONFIG_T::n_in], res_T res[1],
                     typename CONFIG_T::table_t table[1u << CONFIG_T::address_bits]) {
    #pragma HLS PIPELINE
    #pragma HLS ARRAY_PARTITION variable=table complete
    typename CONFIG_T::accum_t total = 0;
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        typename CONFIG_T::log_variance_t declared = log_variance[i];
        ap_uint<CONFIG_T::address_bits> address = declared.range(CONFIG_T::address_bits - 1, 0);
        total += latent_square<mean_T, CONFIG_T>(mean[i]);
        total += table[address];
    }
    // The unit of accum_t is half of the unit of the sum, so no bit is lost here.
    typename CONFIG_T::accum_t half = total >> 1;
    typename CONFIG_T::score_t score = half;
    res[0] = score;
}

template <class mean_T, class res_T, typename CONFIG_T>
void latent_score_mu2(mean_T mean[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS PIPELINE
    typename CONFIG_T::accum_t total = 0;
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        total += latent_square<mean_T, CONFIG_T>(mean[i]);
    }
    typename CONFIG_T::score_t score = total;
    res[0] = score;
}

// Stream forms: one event is one word of n_in values.
template <class mean_T, class logvar_T, class res_T, typename CONFIG_T>
void latent_score_rz(hls::stream<mean_T> &mean, hls::stream<logvar_T> &log_variance, hls::stream<res_T> &res,
                     typename CONFIG_T::table_t table[1u << CONFIG_T::address_bits]) {
    mean_T mean_word = mean.read();
    logvar_T log_variance_word = log_variance.read();
    typename mean_T::value_type means[CONFIG_T::n_in];
    typename logvar_T::value_type log_variances[CONFIG_T::n_in];
    typename res_T::value_type score[1];
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        means[i] = mean_word[i];
        log_variances[i] = log_variance_word[i];
    }
    latent_score_rz<typename mean_T::value_type, typename logvar_T::value_type, typename res_T::value_type, CONFIG_T>(
        means, log_variances, score, table);
    res_T word;
    word[0] = score[0];
    res.write(word);
}

template <class mean_T, class logvar_T, class res_T, typename CONFIG_T>
void latent_score_kl(hls::stream<mean_T> &mean, hls::stream<logvar_T> &log_variance, hls::stream<res_T> &res,
                     typename CONFIG_T::table_t table[1u << CONFIG_T::address_bits]) {
    mean_T mean_word = mean.read();
    logvar_T log_variance_word = log_variance.read();
    typename mean_T::value_type means[CONFIG_T::n_in];
    typename logvar_T::value_type log_variances[CONFIG_T::n_in];
    typename res_T::value_type score[1];
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        means[i] = mean_word[i];
        log_variances[i] = log_variance_word[i];
    }
    latent_score_kl<typename mean_T::value_type, typename logvar_T::value_type, typename res_T::value_type, CONFIG_T>(
        means, log_variances, score, table);
    res_T word;
    word[0] = score[0];
    res.write(word);
}

template <class mean_T, class res_T, typename CONFIG_T>
void latent_score_mu2(hls::stream<mean_T> &mean, hls::stream<res_T> &res) {
    mean_T mean_word = mean.read();
    typename mean_T::value_type means[CONFIG_T::n_in];
    typename res_T::value_type score[1];
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        means[i] = mean_word[i];
    }
    latent_score_mu2<typename mean_T::value_type, typename res_T::value_type, CONFIG_T>(means, score);
    res_T word;
    word[0] = score[0];
    res.write(word);
}

} // namespace nnet

#endif
