//! The two functions that read registers: no other exists here.

/// The function that reads registers; siblings answer both with the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// 03, read holding registers.
    Holding,
    /// 04, read input registers.
    Input,
}

impl Function {
    /// The other of the two.
    pub(super) fn other(self) -> Function {
        match self {
            Function::Holding => Function::Input,
            Function::Input => Function::Holding,
        }
    }

    /// As it is sent.
    pub(super) fn code(self) -> u8 {
        match self {
            Function::Holding => 0x03,
            Function::Input => 0x04,
        }
    }
}
