//! The counts of a frame that the gate hands over itself.

use anyhow::{Context as _, Result, ensure};
use aya::maps::{PerCpuArray, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use system_tests::root_or_skip;
use weir_abi::gate::pair_key;
use weir_abi::{Counter, Method, gate_flags as g, maps};

use crate::frames::{DST, build};
use crate::rig::Rig;
use crate::worlds::{IN, OUT, base, with};

#[test]
fn an_express_frame_is_counted_by_port_and_by_pair_and_goes_on_where_pairs_have_no_room()
-> Result<()> {
    root_or_skip!();
    let mut rig = Rig::load()?;
    let mut take = |name| rig.ebpf.take_map(name).context(name);
    let reached = PerCpuArray::<_, [u64; 2]>::try_from(take(maps::EXPRESSED)?)?;
    let mut pairs = PerCpuHashMap::<_, u32, [u64; 2]>::try_from(take(maps::EXPRESS_PAIRS)?)?;
    let mut world = with(base(), g::EXPRESS_FROM);
    world.ways.insert(OUT, (Method::Redirect, DST, 1514));
    rig.publish(&world)?;
    let frame = build(0, false, false, &[1; 40])?;
    let sum = |values: PerCpuValues<[u64; 2]>| {
        values.iter().fold([0, 0], |[frames, bytes], cpu| [frames + cpu[0], bytes + cpu[1]])
    };
    let key = pair_key(IN, OUT);
    for n in 1..=3 {
        ensure!(rig.gate(&frame, None, 0)?.0 == Counter::Express, "{n}");
        let expected = [n, n * frame.len() as u64];
        ensure!(sum(reached.get(&OUT.into(), 0)?) == expected, "{n}");
        ensure!(sum(pairs.get(&key, 0)?) == expected, "{n}");
        ensure!(pairs.keys().count() == 1, "{n}: another pair");
    }
    pairs.remove(&key)?;
    let cpus = nr_cpus().map_err(|(_, error)| error)?;
    for other in 0..maps::EXPRESS_PAIR_ENTRIES {
        // Keys of ports that do not exist.
        let key = pair_key(0xffff, 0) + other;
        pairs.insert(key, PerCpuValues::try_from(vec![[1, 1]; cpus])?, 0)?;
    }
    ensure!(rig.gate(&frame, None, 0)?.0 == Counter::Express);
    ensure!(sum(reached.get(&OUT.into(), 0)?)[0] == 4);
    ensure!(pairs.get(&key, 0).is_err(), "there was no room");
    Ok(())
}
