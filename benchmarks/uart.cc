// The clock, and a line whose edges come at any time, around UARTs that CXXRTL has made.
//
// benchmarks/uart.py puts the designs before this file, each in a namespace of its own, and one
// DESIGN(name) for each of them behind it.

#include <cstddef>
#include <cstdint>

namespace {

template <class Design>
void clock(Design &design, bool level) {
	design.p_clk.template set<bool>(level);
	design.step();
}

// Runs a receiver for some clocks; rx toggles, from high, at each of the times, in clocks. Puts
// each character, and 256 more where its framing was wrong, into received; returns their number.
template <class Design>
size_t receive(const double *times, size_t count, uint64_t clocks, uint16_t *received, size_t room) {
	Design design;
	size_t next = 0, taken = 0;
	bool level = true;
	for (uint64_t now = 0; now < clocks; now++) {
		for (; next < count && times[next] <= double(now); next++)
			level = !level;
		design.p_rx.template set<bool>(level);
		clock(design, false);
		clock(design, true);
		if (design.p_o____valid.template get<bool>() && taken < room) {
			// An edge computes outputs that are no registers from the registers before it.
			clock(design, false);
			received[taken++] = design.p_o____payload.template get<uint16_t>();
		}
	}
	return taken;
}

// Sends characters back to back; puts the clock of each edge of tx into edges, returns their number.
template <class Design>
size_t send(const uint8_t *characters, size_t count, uint64_t clocks, uint64_t *edges, size_t room) {
	Design design;
	size_t sent = 0, taken = 0;
	bool level = true;
	for (uint64_t now = 0; now < clocks; now++) {
		design.p_i____valid.template set<bool>(sent < count);
		design.p_i____payload.template set<uint8_t>(sent < count ? characters[sent] : 0);
		clock(design, false);
		if (sent < count && design.p_i____ready.template get<bool>())
			sent++;
		clock(design, true);
		if (design.p_tx.template get<bool>() != level && taken < room)
			edges[taken++] = now;
		level = design.p_tx.template get<bool>();
	}
	return taken;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

#define RECEIVER(name) \
	EXPORT size_t name(const double *times, size_t count, uint64_t clocks, uint16_t *received, \
	                   size_t room) { \
		return receive<cxxrtl_design_##name::p_top>(times, count, clocks, received, room); \
	}

#define TRANSMITTER(name) \
	EXPORT size_t name(const uint8_t *characters, size_t count, uint64_t clocks, uint64_t *edges, \
	                   size_t room) { \
		return send<cxxrtl_design_##name::p_top>(characters, count, clocks, edges, room); \
	}
