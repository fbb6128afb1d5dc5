// One event of raw integers through the top function of an HLS project, with arrays or streams as ports.
//
// Included after raw_values.h, nnet_utils/nnet_types.h, hls_stream.h, <string> and <vector>, and after a declaration of
// [[noreturn]] void l1ad::fail(const std::string &), in the same namespace as these.
#ifndef L1AD_RAW_PORTS_H_
#define L1AD_RAW_PORTS_H_

namespace l1ad {

template <class T> struct Packet {
    using value_type = T;
    static constexpr std::size_t size = 1;
    static T &at(T &packet, std::size_t) { return packet; }
};

template <class T, unsigned N> struct Packet<nnet::array<T, N>> {
    using value_type = T;
    static constexpr std::size_t size = N;
    static T &at(nnet::array<T, N> &packet, std::size_t i) { return packet[i]; }
};

// One event through void top(I *, O *).
template <class I, class O> class ArrayPorts {
  public:
    using Input = I;
    using Output = O;
    ArrayPorts(void (*top)(I *, O *), std::size_t n_inputs, std::size_t n_outputs)
        : top_(top), in_(n_inputs), out_(n_outputs) {}
    void run(const std::int64_t *inputs, std::int64_t *outputs) {
        for (std::size_t i = 0; i < in_.size(); i++)
            from_raw(inputs[i], in_[i]);
        top_(in_.data(), out_.data());
        for (std::size_t i = 0; i < out_.size(); i++)
            outputs[i] = to_raw(out_[i]);
    }

  private:
    void (*top_)(I *, O *);
    std::vector<I> in_;
    std::vector<O> out_;
};

// One event through void top(hls::stream<I> &, hls::stream<O> &).
template <class I, class O> class StreamPorts {
    using In = Packet<I>;
    using Out = Packet<O>;

  public:
    using Input = typename In::value_type;
    using Output = typename Out::value_type;
    StreamPorts(void (*top)(hls::stream<I> &, hls::stream<O> &), std::size_t n_inputs, std::size_t n_outputs)
        : top_(top), n_inputs_(n_inputs), n_outputs_(n_outputs), in_("in"), out_("out") {
        if (n_inputs % In::size || n_outputs % Out::size)
            fail("the packets of the streams do not divide the number of inputs or outputs");
    }
    void run(const std::int64_t *inputs, std::int64_t *outputs) {
        for (std::size_t i = 0; i < n_inputs_; i += In::size) {
            I packet;
            for (std::size_t j = 0; j < In::size; j++)
                from_raw(inputs[i + j], In::at(packet, j));
            in_.write(packet);
        }
        top_(in_, out_);
        for (std::size_t i = 0; i < n_outputs_; i += Out::size) {
            if (out_.empty())
                fail("the output stream ends too early");
            O packet = out_.read();
            for (std::size_t j = 0; j < Out::size; j++)
                outputs[i + j] = to_raw(Out::at(packet, j));
        }
        if (!out_.empty() || !in_.empty())
            fail("an event left values in a stream: the number of inputs or outputs is wrong");
    }

  private:
    void (*top_)(hls::stream<I> &, hls::stream<O> &);
    std::size_t n_inputs_, n_outputs_;
    hls::stream<I> in_;
    hls::stream<O> out_;
};

template <class I, class O>
ArrayPorts<I, O> ports_of(void (*top)(I *, O *), std::size_t n_inputs, std::size_t n_outputs) {
    return {top, n_inputs, n_outputs};
}

template <class I, class O>
StreamPorts<I, O> ports_of(void (*top)(hls::stream<I> &, hls::stream<O> &), std::size_t n_inputs,
                           std::size_t n_outputs) {
    return {top, n_inputs, n_outputs};
}

} // namespace l1ad

#endif
