// Sums groups of rows of a (rows, columns, channels) array. A sum is exact where an average over three is not.
#ifndef L1AD_NNET_SUM_POOLING_H_
#define L1AD_NNET_SUM_POOLING_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct sum_pooling_config {
    static const unsigned out_rows = 6;
    static const unsigned columns = 1;
    static const unsigned n_chan = 16;
    static const unsigned size = 3;
    // Holds every sum exactly: the result may have fewer bits, and is cut once, behind the sum.
    typedef ap_fixed<32, 16> accum_t;
};

template <class data_T, class res_T, typename CONFIG_T>
void sum_pooling(data_T data[CONFIG_T::out_rows * CONFIG_T::size * CONFIG_T::columns * CONFIG_T::n_chan],
                 res_T res[CONFIG_T::out_rows * CONFIG_T::columns * CONFIG_T::n_chan]) {
    #pragma HLS PIPELINE
    const unsigned row = CONFIG_T::columns * CONFIG_T::n_chan;
    for (unsigned r = 0; r < CONFIG_T::out_rows; r++) {
        #pragma HLS UNROLL
        for (unsigned c = 0; c < row; c++) {
            #pragma HLS UNROLL
            typename CONFIG_T::accum_t sum = 0;
            for (unsigned k = 0; k < CONFIG_T::size; k++) {
                #pragma HLS UNROLL
                sum += data[(r * CONFIG_T::size + k) * row + c];
            }
            res[r * row + c] = sum;
        }
    }
}

// Stream form: one word holds the channels of one pixel, row by row.
template <class data_T, class res_T, typename CONFIG_T>
void sum_pooling(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    for (unsigned r = 0; r < CONFIG_T::out_rows; r++) {
        typename CONFIG_T::accum_t sums[CONFIG_T::columns][CONFIG_T::n_chan];
        for (unsigned k = 0; k < CONFIG_T::size; k++) {
            for (unsigned c = 0; c < CONFIG_T::columns; c++) {
                data_T word = data.read();
                for (unsigned ch = 0; ch < CONFIG_T::n_chan; ch++) {
                    #pragma HLS UNROLL
                    if (k == 0) {
                        sums[c][ch] = word[ch];
                    } else {
                        sums[c][ch] += word[ch];
                    }
                }
            }
        }
        for (unsigned c = 0; c < CONFIG_T::columns; c++) {
            res_T word;
            for (unsigned ch = 0; ch < CONFIG_T::n_chan; ch++) {
                #pragma HLS UNROLL
                word[ch] = sums[c][ch];
            }
            res.write(word);
        }
    }
}

} // namespace nnet

#endif
