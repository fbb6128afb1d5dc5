// The trigger around a network, as HLS C++: scaling of the hardware integers, thresholds, prescales, registers.
// One call is one clock of the RTL top level with a network of no latency; see l1ad/hardware/trigger_model.py.
#ifndef L1AD_TRIGGER_H_
#define L1AD_TRIGGER_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1ad {

// saturate(((word - OFFSET) << LEFT) >> RIGHT) in RAW_BITS; WIDE holds every value on the way.
template <int WORD_BITS, bool WORD_SIGNED, int OFFSET, int LEFT, int RIGHT, int WIDE, int RAW_BITS, bool RAW_SIGNED>
ap_uint<RAW_BITS> scale_input(ap_uint<WORD_BITS> word) {
    #pragma HLS INLINE
    const ap_int<WIDE> one = 1;
    const ap_int<WIDE> high = (one << (RAW_BITS - int(RAW_SIGNED))) - one;
    const ap_int<WIDE> low = RAW_SIGNED ? ap_int<WIDE>(-(one << (RAW_BITS - 1))) : ap_int<WIDE>(0);
    const ap_int<WORD_BITS> with_sign = word;
    const ap_int<WIDE> extended = WORD_SIGNED ? ap_int<WIDE>(with_sign) : ap_int<WIDE>(word);
    const ap_int<WIDE> centred = extended - ap_int<WIDE>(OFFSET);
    const ap_int<WIDE> left = centred << LEFT;
    const ap_int<WIDE> moved = left >> RIGHT;
    const ap_int<WIDE> limited = moved > high ? high : moved < low ? low : moved;
    return limited.range(RAW_BITS - 1, 0);
}

// Registers and counters of N thresholds.
template <int N, int SCORE_BITS, int PRESCALE_BITS> struct trigger_state {
    ap_uint<SCORE_BITS> thresholds[N];
    ap_uint<PRESCALE_BITS> prescales[N];
    ap_uint<PRESCALE_BITS> counts[N];

    void reset(const ap_uint<SCORE_BITS> threshold_values[N], const ap_uint<PRESCALE_BITS> prescale_values[N]) {
        #pragma HLS INLINE
        for (int k = 0; k < N; k++) {
            #pragma HLS UNROLL
            thresholds[k] = threshold_values[k];
            prescales[k] = prescale_values[k];
            counts[k] = 0;
        }
    }

    void decide(ap_uint<SCORE_BITS> score, ap_uint<N> &accept, ap_uint<N> &fire) {
        #pragma HLS INLINE
        for (int k = 0; k < N; k++) {
            #pragma HLS UNROLL
            const bool accepted = score >= thresholds[k];
            const ap_uint<PRESCALE_BITS + 1> next = counts[k] + ap_uint<1>(1);
            const bool due = next == prescales[k];
            accept[k] = accepted;
            fire[k] = accepted && due;
            if (accepted)
                counts[k] = due ? ap_uint<PRESCALE_BITS>(0) : ap_uint<PRESCALE_BITS>(next);
        }
    }

    // Returns whether the write was refused: no such register, or a value that does not fit.
    bool write(ap_uint<4> address, ap_uint<32> data) {
        #pragma HLS INLINE
        bool refused = true;
        for (int k = 0; k < N; k++) {
            #pragma HLS UNROLL
            if (address == k && (data >> SCORE_BITS) == 0) {
                thresholds[k] = data;
                refused = false;
            }
            if (address == 8 + k && (data >> PRESCALE_BITS) == 0) {
                prescales[k] = data;
                counts[k] = 0;
                refused = false;
            }
        }
        return refused;
    }
};

} // namespace l1ad

#endif
