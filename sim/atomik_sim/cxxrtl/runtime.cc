// What the compiled gateware needs of the C++ library, for a compiler that would have to build that library first.
//
// Nothing here throws, as nothing does in code that is compiled without exceptions: who runs out of memory is ended.

#include <cstddef>
#include <cstdlib>

// Called, under a name of the library's own, where an exception would be thrown. Its namespace is that of libc++.
namespace std { inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(const char *, ...) noexcept { abort(); }
} }

namespace {

void *allocate(size_t size) {
	void *memory = malloc(size ? size : 1);
	if (!memory)
		abort();
	return memory;
}

} // namespace

void *operator new(size_t size) { return allocate(size); }
void *operator new[](size_t size) { return allocate(size); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }
void operator delete[](void *memory, size_t) noexcept { free(memory); }
