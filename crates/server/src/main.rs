//! The `paytone` program. All of it is in the library; this only begins.

use std::process::ExitCode;

/// Many threads allocate what others free (a request is read on one, decided on another, written on a third), which is what
/// this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    paytone::cli::main()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    const MIB: usize = 1 << 20;

    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("it is there");
        let pages = statm.split_whitespace().nth(1).expect("the second field");
        pages.parse::<usize>().expect("a number") * 4_096
    }

    /// Here and not beside it, as it is about the allocator of the program.
    #[test]
    fn what_was_reserved_stays_and_is_what_is_taken_later() {
        let before = resident();
        paytone::memory::reserve(128);
        let reserved = resident();
        assert!(reserved > before + 100 * MIB, "{before} {reserved}");
        let taken: Vec<Vec<u8>> = (0..8_192).map(|_| vec![1; 8_192]).collect();
        let later = resident();
        black_box(&taken);
        assert!(later < reserved + 16 * MIB, "{reserved} {later}");
    }
}
