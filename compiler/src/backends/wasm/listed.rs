//! Walking over lists of records: `run` does it, with and without threads, and so do loops.

use super::asm::Asm;
use walrus::ir::BinaryOp;
use walrus::{LocalId, TableId, TypeId};

/// Turns numbers of steps into addresses in the list of steps.
pub(super) fn start_list(asm: &mut Asm<'_>, bounds: [LocalId; 2], steps_at: usize, entry: usize) {
    for bound in bounds {
        asm.times(bound, entry);
        asm.int(steps_at as i32);
        asm.binary(BinaryOp::I32Add);
        asm.set(bound);
    }
}

/// Calls the record whose address is in `record` with all of its units.
pub(super) fn call_record(asm: &mut Asm<'_>, record: LocalId, table: TableId, ty: TypeId) {
    asm.get(record);
    asm.int(0);
    asm.get(record);
    asm.load_i32(4);
    asm.get(record);
    asm.load_i32(0);
    asm.push(walrus::ir::CallIndirect { ty, table });
}

/// Runs `body` with each record of a list from `cursor` until `end`; an entry has so many bytes.
pub(super) fn for_each_listed(
    asm: &mut Asm<'_>,
    cursor: LocalId,
    end: LocalId,
    entry: usize,
    body: impl FnOnce(&mut Asm<'_>, LocalId),
) {
    let record = asm.i32();
    asm.block(|asm, out| {
        asm.get(cursor);
        asm.get(end);
        asm.binary(BinaryOp::I32GeU);
        asm.br_if(out);
        asm.repeat(|asm, top| {
            asm.get(cursor);
            asm.load_i32(0);
            asm.set(record);
            body(asm, record);
            asm.advance(cursor, entry as i64);
            asm.get(cursor);
            asm.get(end);
            asm.binary(BinaryOp::I32LtU);
            asm.br_if(top);
        });
    });
}
