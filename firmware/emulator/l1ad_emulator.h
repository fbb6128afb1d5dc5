// The class that CMSSW loads, around the top function of an HLS project.
//
// Included after l1ad_payload.h, raw_ports.h and the top function, inside the namespace of the model.
#ifndef L1AD_EMULATOR_H_
#define L1AD_EMULATOR_H_

namespace l1ad {

// The raw input of the network: where the payload holds hardware integers, saturate(((x - offset) << f) >> shift),
// exactly as the input contract says; a shift to the right rounds towards minus infinity.
template <class T> std::int64_t network_input(const T &x, int i) {
    const std::int64_t value = load_number(x, Payload::network_fraction);
    if constexpr (Payload::hardware) {
        const std::int64_t centred = (value - (Payload::offset(i) << Payload::payload_fraction))
                                     << Payload::network_fraction;
        const int right = Payload::shift(i) + Payload::payload_fraction;
        const std::int64_t scaled = right >= 0 ? centred >> right : centred << -right;
        return scaled < Payload::lowest ? Payload::lowest : scaled > Payload::highest ? Payload::highest : scaled;
    } else if constexpr (std::is_floating_point_v<T>) {
        // As hls4ml takes floats: cut and wrapped by the type of the input.
        typename Payload::network_t cut = x;
        return to_raw(cut);
    }
    return value;
}

} // namespace l1ad

class Emulator final : public hls4mlEmulator::Model {
  public:
    Emulator() : ports_(l1ad::ports_of(L1AD_TOP, Payload::inputs, Payload::outputs)) {}

    void prepare_input(std::any input) override {
        const Payload::input_t *values = std::any_cast<Payload::input_t *>(input);
        for (int i = 0; i < Payload::inputs; i++)
            inputs_[i] = l1ad::network_input(values[i], i);
    }

    void predict() override {
        l1ad::latent_target = latent_;
        ports_.run(inputs_, scores_);
        l1ad::latent_target = nullptr;
    }

    void read_result(std::any result) override {
        l1ad::store_result(scores_, latent_, *std::any_cast<Payload::result_t *>(result));
    }

  private:
    decltype(l1ad::ports_of(L1AD_TOP, 0, 0)) ports_;
    std::int64_t inputs_[Payload::inputs] = {};
    std::int64_t scores_[Payload::outputs] = {};
    std::int64_t latent_[Payload::latent + 1] = {};
};

#endif
