// Takes the values of one layer out of the generated C++, which hands each layer to nnet::save_layer_output.
//
// Included inside the namespace of the model, after raw_ports.h and nnet_helpers.h, before the top function.
#ifndef L1AD_CAPTURE_H_
#define L1AD_CAPTURE_H_

namespace l1ad {

// Where the model of this thread wants the layer L1AD_LATENT.
inline thread_local std::int64_t *latent_target = nullptr;

inline bool wanted(const char *name) { return latent_target != nullptr && std::strcmp(name, L1AD_LATENT) == 0; }

} // namespace l1ad

namespace nnet {

template <class T> void l1ad_save_layer(T *data, const char *name, std::size_t size) {
    if (l1ad::wanted(name))
        for (std::size_t i = 0; i < size; i++)
            l1ad::latent_target[i] = l1ad::to_raw(data[i]);
}

template <class T> void l1ad_save_layer(hls::stream<T> &data, const char *name, std::size_t size) {
    using packet = l1ad::Packet<T>;
    if (!l1ad::wanted(name))
        return;
    for (std::size_t i = 0; i < size / packet::size; i++) {
        T item = data.read();
        for (std::size_t j = 0; j < packet::size; j++)
            l1ad::latent_target[i * packet::size + j] = l1ad::to_raw(packet::at(item, j));
        data.write(item);
    }
}

} // namespace nnet

#endif
