// The output of a network that is its score: it passes as it is.
#ifndef L1AD_NNET_OUTPUT_SCORE_H_
#define L1AD_NNET_OUTPUT_SCORE_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

template <class data_T, class res_T> void output_score(data_T data[1], res_T res[1]) {
    #pragma HLS PIPELINE
    res[0] = data[0];
}

// Stream form: one word holds the score of one event.
template <class data_T, class res_T> void output_score(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    data_T in_word = data.read();
    res_T out_word;
    out_word[0] = in_word[0];
    res.write(out_word);
}

} // namespace nnet

#endif
