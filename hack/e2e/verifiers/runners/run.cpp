// SPDX-License-Identifier: Apache-2.0

// Runs the cases of verifiers_test.go, one per line, with the C++ verifier.
#include <iostream>

#include "signet_verifier.hpp"

namespace {

std::time_t now;
std::unique_ptr<signet::Verifier> verifier;
std::vector<std::string> configured;

std::string judge(const std::string &line) {
  auto fields = signet::detail::split(line, '\t');
  now = std::stol(fields[0]);
  fields.erase(fields.begin());
  for (auto &field : fields) field = signet::detail::strict_base64(field).value();
  std::vector<std::string> settings(fields.begin(), fields.begin() + 4);
  signet::Headers headers;
  for (std::size_t i = 7; i < fields.size(); i += 2) headers.emplace_back(fields[i], fields[i + 1]);
  try {
    if (settings != configured) {
      configured.clear();
      signet::Options options{fields[1], fields[2] == "1", {}, [] { return now; }};
      if (!fields[3].empty()) options.required_headers = signet::detail::split(fields[3], ' ');
      verifier = std::make_unique<signet::Verifier>(std::vector<std::string>{fields[0]}, options);
      configured = settings;
    }
    return "ok " + verifier->verify(fields[4], fields[5], headers, fields[6]);
  } catch (const signet::Refusal &refusal) {
    return "no " + refusal.reason;
  } catch (const std::exception &) {
    return "no keys";
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << judge(line) << std::endl;
}
