// The board around the compiled gateware: its clock, and the serial line at its pins.
//
// design.cc is what CXXRTL and schedule.py make of the device. The line is driven and sampled as atomik_sim.pins
// describes; atomik_sim.cxxrtl_engine calls what is exported here.

#include "design.cc"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

constexpr int character_bits = 10;
constexpr unsigned idle_levels = 0x3ff;
constexpr int glitch_place = 14;

// Takes the level after each clock; tells of a character when its stop bit was sampled.
class Receiver {
public:
	Receiver(uint64_t frequency, uint64_t baud) {
		uint64_t before = 0;
		for (int bit = 0; bit < character_bits; bit++) {
			uint64_t centre = (2 * bit + 1) * frequency / (2 * baud);
			steps[bit] = centre - before;
			before = centre;
		}
	}

	bool receiving() const { return wait != 0; }

	bool clock(bool level) {
		if (wait == 0) {
			if (!level) {
				bit = 0;
				levels = 0;
				wait = steps[0];
			}
			return false;
		}
		if (--wait != 0)
			return false;
		if (bit == 0 && level)
			return false;
		bits++;
		levels |= unsigned(level) << bit++;
		if (bit == character_bits)
			return true;
		wait = steps[bit];
		return false;
	}

	unsigned levels = 0;
	uint64_t bits = 0;

private:
	uint64_t steps[character_bits];
	uint64_t wait = 0;
	int bit = 0;
};

class Board {
public:
	Board(uint64_t frequency, uint64_t baud, bool tolerant)
		: frequency(frequency), baud(baud), tolerant(tolerant), receiver(frequency, baud) {
		design.set_rx(rx);
	}

	int64_t transfer(const uint16_t *characters, size_t count, uint8_t *received, size_t room) {
		size_t taken = 0;
		for (size_t index = 0; index < count; index++) {
			unsigned levels = characters[index];
			quiet = levels == idle_levels && !design.busy();
			for (int bit = 0; bit < character_bits; bit++) {
				bool level = levels >> bit & 1;
				uint64_t length = (rest + frequency) / baud;
				rest = (rest + frequency) % baud;
				if ((levels >> character_bits & 0xf) == unsigned(bit + 1)) {
					// A pulse in a quarter of this bit.
					uint64_t quarter = levels >> glitch_place;
					uint64_t begin = length * quarter / 4;
					uint64_t end = std::max(begin + 1, length * (quarter + 1) / 4);
					hold(level, begin, received, taken, room);
					hold(!level, end - begin, received, taken, room);
					hold(level, length - end, received, taken, room);
				} else {
					hold(level, length, received, taken, room);
				}
				clock_count += length;
				if (levels != idle_levels)
					rx_bits++;
			}
			idle = quiet && !design.busy();
			publish();
			if (failure)
				return failure;
		}
		return taken;
	}

	// One clock with rx at a level; returns the outputs before it.
	unsigned clock(bool level, bool reset) {
		rx = level;
		design.set_rx(rx);
		unsigned pins = unsigned(design.tx()) | unsigned(design.busy()) << 1 |
			unsigned(design.session()) << 2 | unsigned(design.error()) << 3;
		design.set_rst(reset);
		design.clock();
		design.set_rst(false);
		clock_count++;
		idle = false;
		publish();
		return pins;
	}

	void reset() { clock(rx, true); }

	std::atomic<uint64_t> clocks{0}, bits_driven{0}, bits_sampled{0};
	bool idle = false;

private:
	// Runs with rx at a level for some clocks.
	void hold(bool level, uint64_t length, uint8_t *received, size_t &taken, size_t room) {
		rx = level;
		design.set_rx(rx);
		for (uint64_t clock = 0; clock < length; clock++) {
			design.clock();
			bool high = design.tx();
			if (!high || receiver.receiving()) {
				quiet = false;
				if (receiver.clock(high))
					take(received, taken, room);
			} else if (design.settled()) {
				// Nor will anything change in the rest of this time.
				break;
			}
		}
	}

	void take(uint8_t *received, size_t &taken, size_t room) {
		if (receiver.levels >> (character_bits - 1) == 0 && !tolerant)
			failure = -1 - int64_t(receiver.levels);
		else if (taken == room)
			failure = INT64_MIN;
		else
			received[taken++] = receiver.levels >> 1 & 0xff;
	}

	void publish() {
		clocks.store(clock_count, std::memory_order_relaxed);
		bits_driven.store(rx_bits, std::memory_order_relaxed);
		bits_sampled.store(receiver.bits, std::memory_order_relaxed);
	}

	Design design;
	bool rx = true;
	uint64_t frequency, baud;
	bool tolerant;
	uint64_t rest = 0;
	uint64_t clock_count = 0, rx_bits = 0;
	Receiver receiver;
	bool quiet = false;
	int64_t failure = 0;
};

} // namespace

// A tolerant board takes bytes without a stop bit as they are.
EXPORT Board *atomik_create(uint64_t frequency, uint64_t baud, int tolerant) {
	return new Board(frequency, baud, tolerant);
}

EXPORT void atomik_destroy(Board *board) { delete board; }

// Drives characters on rx; returns the number of bytes that came on tx meanwhile. Negative is
// -1 - levels of a character without a stop bit, or INT64_MIN if there were more than fit.
EXPORT int64_t atomik_transfer(Board *board, const uint16_t *characters, size_t count,
                               uint8_t *received, size_t room) {
	return board->transfer(characters, count, received, room);
}

EXPORT void atomik_reset(Board *board) { board->reset(); }

// Drives a level on rx for a clock each; puts tx, busy, session, error before it in bits 0 to 3.
EXPORT void atomik_trace(Board *board, const uint8_t *levels, size_t count, uint8_t *pins) {
	for (size_t index = 0; index < count; index++)
		pins[index] = board->clock(levels[index], false);
}

EXPORT int atomik_idle(const Board *board) { return board->idle; }

EXPORT uint64_t atomik_clocks(const Board *board) { return board->clocks; }

EXPORT uint64_t atomik_bits_driven(const Board *board) { return board->bits_driven; }

EXPORT uint64_t atomik_bits_sampled(const Board *board) { return board->bits_sampled; }
