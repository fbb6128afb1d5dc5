// The interface between CMSSW and an emulated model, for building without CMSSW.
//
// Inside CMSSW the header of that name comes from cms-hls4ml/hls4mlEmulatorExtras, and the Makefile takes it from
// there. This one declares the same class with the same virtual functions in the same order, so that a shared object
// built with either works with both. The loader of that package is not part of it.
#ifndef HLS4ML_EMULATOR_H_
#define HLS4ML_EMULATOR_H_

#include <any>

namespace hls4mlEmulator {

class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};

} // namespace hls4mlEmulator

#endif
