// Squared error between a decoder's output and the network's inputs, padding masked, or its features, exact by
// definition (see l1ad/scores/reconstruction.py). Features are one row without padding.
//
//   sum over rows that are not padding, sum over their inputs that count:
//       min(|input cut to the decoder's unit - decoder's output|, largest)^2 * 2^-exponent
//
// Every intermediate type is wide enough for its exact value: nothing is rounded before the last assignment.
#ifndef L1AD_NNET_RECONSTRUCTION_SCORE_H_
#define L1AD_NNET_RECONSTRUCTION_SCORE_H_

#include "nnet_common.h"

namespace nnet {

struct reconstruction_score_config {
    static const unsigned n_rows = 19;
    static const unsigned row_size = 3;
    static const bool masked = true;
    typedef ap_fixed<10, 4> input_t;
    typedef ap_fixed<7, 4> cut_t;
    typedef ap_fixed<9, 6> difference_t;
    typedef ap_ufixed<9, 6> magnitude_t;
    typedef ap_ufixed<6, 3> error_t;
    typedef ap_ufixed<12, 6> square_t;
    typedef ap_ufixed<24, 12> accum_t;
    typedef ap_ufixed<20, 14, AP_TRN, AP_SAT> score_t;
    static error_t largest() { return 0; }
    // Raw pT of padding in a row, and weight exponent of an input; -1: it does not count.
    static int padding(unsigned row) { return 0; }
    static int exponent(unsigned input) { return 0; }
};

template <class prediction_T, class input_T, class res_T, typename CONFIG_T>
void reconstruction_score(prediction_T prediction[CONFIG_T::n_rows * CONFIG_T::row_size],
                          input_T inputs[CONFIG_T::n_rows * CONFIG_T::row_size], res_T res[1]) {
    #pragma HLS PIPELINE
    const typename CONFIG_T::magnitude_t largest = CONFIG_T::largest();
    typename CONFIG_T::accum_t total = 0;
    for (unsigned row = 0; row < CONFIG_T::n_rows; row++) {
        #pragma HLS UNROLL
        typename CONFIG_T::accum_t of_row = 0;
        for (unsigned k = 0; k < CONFIG_T::row_size; k++) {
            #pragma HLS UNROLL
            const unsigned j = row * CONFIG_T::row_size + k;
            const int exponent = CONFIG_T::exponent(j);
            if (exponent < 0)
                continue;
            typename CONFIG_T::cut_t cut = inputs[j];
            typename CONFIG_T::difference_t difference = cut - prediction[j];
            typename CONFIG_T::magnitude_t magnitude = 0;
            if (difference < 0) {
                magnitude = -difference;
            } else {
                magnitude = difference;
            }
            typename CONFIG_T::error_t error = magnitude;
            if (magnitude > largest)
                error = largest;
            typename CONFIG_T::square_t square = error * error;
            // The unit of accum_t is the smallest that a weight gives, so no bit is lost here.
            typename CONFIG_T::accum_t term = square;
            of_row += term >> exponent;
        }
        // The bit pattern in the declared type; the port may be narrower when its range allows.
        typename CONFIG_T::input_t pt = inputs[row * CONFIG_T::row_size];
        typename CONFIG_T::input_t padding = 0;
        padding.range(CONFIG_T::input_t::width - 1, 0) = CONFIG_T::padding(row);
        if (!CONFIG_T::masked || pt != padding)
            total += of_row;
    }
    typename CONFIG_T::score_t score = total;
    res[0] = score;
}

} // namespace nnet

#endif
