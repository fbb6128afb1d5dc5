// Compares the log of a test bench with the predictions that go with the project, number by number.
#ifndef L1AD_NNET_COMPARE_RESULTS_H_
#define L1AD_NNET_COMPARE_RESULTS_H_

#ifndef __SYNTHESIS__

#include <fstream>
#include <iostream>
#include <string>

namespace nnet {

// Returns 0 when both files hold the same numbers and at least one, otherwise 1: what a test bench returns.
inline int compare_results(const std::string &found_path, const std::string &expected_path) {
    std::ifstream found_file(found_path.c_str()), expected_file(expected_path.c_str());
    if (!found_file || !expected_file) {
        std::cerr << "ERROR: cannot open " << found_path << " or " << expected_path << std::endl;
        return 1;
    }
    double found = 0, expected = 0;
    unsigned count = 0;
    while (expected_file >> expected) {
        if (!(found_file >> found)) {
            std::cerr << "ERROR: " << found_path << " ends after " << count << " values" << std::endl;
            return 1;
        }
        if (found != expected) {
            std::cerr.precision(17);
            std::cerr << "ERROR: value " << count << ": expected " << expected << ", found " << found << std::endl;
            return 1;
        }
        count++;
    }
    if (count == 0 || found_file >> found) {
        std::cerr << "ERROR: " << found_path << " does not hold the " << count << " values expected" << std::endl;
        return 1;
    }
    std::cout << "INFO: " << count << " values equal the predictions" << std::endl;
    return 0;
}

} // namespace nnet

#endif

#endif
