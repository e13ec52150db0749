//! Looks at a library before it is opened: a truncated one would end the
//! process with a bus error inside `dlopen`.

use std::path::Path;

use object::Endianness;
use object::elf::{ELFCLASS64, EM_AARCH64, EM_X86_64, ET_DYN, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use thiserror::Error;

/// Why a file cannot be a library of this machine.
#[derive(Debug, Error)]
pub enum ElfError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// It is something else.
    #[error("is not a shared library (no ELF header)")]
    NotElf,
    /// It is an ELF file of another kind.
    #[error("is not a shared library: {fact}")]
    NotShared {
        /// What it is.
        fact: &'static str,
    },
    /// It is for another CPU.
    #[error(
        "is built for another CPU ({found}), this machine is {}",
        std::env::consts::ARCH
    )]
    Cpu {
        /// What it is for.
        found: String,
    },
    /// It ends too early.
    #[error("is truncated: it has {have} bytes, its headers need {need}")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes that the headers speak of.
        need: u64,
    },
}

/// Checks sizes, CPU and that every segment lies inside the file.
///
/// # Errors
/// See [`ElfError`].
pub fn check(path: &Path) -> Result<(), ElfError> {
    // Reading a pipe would wait for ever.
    if !std::fs::metadata(path)
        .map_err(ElfError::Unreadable)?
        .is_file()
    {
        return Err(ElfError::NotShared {
            fact: "it is no regular file",
        });
    }
    let bytes = std::fs::read(path).map_err(ElfError::Unreadable)?;
    check_bytes(&bytes)
}

fn check_bytes(bytes: &[u8]) -> Result<(), ElfError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    let have = bytes.len() as u64;
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(|_| match bytes.get(4) {
        Some(class) if *class != ELFCLASS64.0 && have >= 64 => ElfError::NotShared {
            fact: "it is not a 64-bit file",
        },
        _ => ElfError::Truncated { have, need: 64 },
    })?;
    let endian = header.endian().map_err(|_| ElfError::NotElf)?;
    let machine = header.e_machine(endian);
    let mine = match std::env::consts::ARCH {
        "x86_64" => EM_X86_64,
        "aarch64" => EM_AARCH64,
        _ => machine,
    };
    if machine != mine {
        return Err(ElfError::Cpu {
            found: cpu_name(machine.0),
        });
    }
    if header.e_type(endian) != ET_DYN {
        return Err(ElfError::NotShared {
            fact: "it is a program or an object file",
        });
    }
    let need = needed(header, endian, bytes);
    if need > have {
        return Err(ElfError::Truncated { have, need });
    }
    Ok(())
}

fn cpu_name(machine: u16) -> String {
    if machine == EM_X86_64.0 {
        "x86_64".to_owned()
    } else if machine == EM_AARCH64.0 {
        "aarch64".to_owned()
    } else {
        format!("ELF machine {machine}")
    }
}

/// Bytes that program headers, sections and the header tables reach to.
fn needed(header: &FileHeader64<Endianness>, endian: Endianness, bytes: &[u8]) -> u64 {
    let table =
        |offset: u64, size: u16, n: u16| offset.saturating_add(u64::from(size) * u64::from(n));
    let mut need = table(
        header.e_phoff(endian),
        header.e_phentsize(endian),
        header.e_phnum(endian),
    );
    need = need.max(table(
        header.e_shoff(endian),
        header.e_shentsize(endian),
        header.e_shnum(endian),
    ));
    for segment in header.program_headers(endian, bytes).into_iter().flatten() {
        let end = segment
            .p_offset(endian)
            .saturating_add(segment.p_filesz(endian));
        need = need.max(end);
    }
    if let Ok(sections) = header.section_headers(endian, bytes) {
        for section in sections {
            if let Some((offset, size)) = section.file_range(endian) {
                need = need.max(offset.saturating_add(size));
            }
        }
    }
    need
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_library() -> Vec<u8> {
        // The test program itself is position-independent, which ELF calls a
        // shared object too.
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_whole_file_passes() {
        check_bytes(&own_library()).unwrap();
    }

    #[test]
    fn every_cut_of_a_library_is_called_truncated_and_none_panics() {
        let whole = own_library();
        for keep in [4, 5, 40, 63, 64, 200, whole.len() / 2, whole.len() - 1] {
            let error = check_bytes(&whole[..keep]).unwrap_err();
            assert!(
                matches!(error, ElfError::Truncated { .. }),
                "{keep}: {error}"
            );
        }
    }

    #[test]
    fn text_is_not_a_library() {
        assert!(matches!(check_bytes(b"#!/bin/sh"), Err(ElfError::NotElf)));
        assert!(matches!(check_bytes(b""), Err(ElfError::NotElf)));
    }

    #[test]
    fn another_cpu_is_named() {
        let mut bytes = own_library();
        bytes[18] = 0xf3; // RISC-V
        bytes[19] = 0;
        let error = check_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains("ELF machine 243"), "{error}");
    }
}
