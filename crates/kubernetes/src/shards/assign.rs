//! Which replica should have which shard.

use std::collections::BTreeMap;

use crate::shards::Shard;
use crate::shards::shard::hash;

/// Gives each shard to a member, so that two members differ by one shard at most.
///
/// Rendezvous hashing with room for so many: of all pairs of a shard and a member, the one with the highest hash comes first,
/// then the next among those whose shard is free and whose member has room. It depends on the members alone, not on their
/// order nor on who has what, so that all who see the same members agree. When one comes or goes, few others move.
pub(crate) fn assign<'a>(members: &[&'a str], count: u16) -> BTreeMap<Shard, &'a str> {
    let Some(few) = usize::from(count).checked_div(members.len()) else {
        return BTreeMap::new();
    };
    let mut more = usize::from(count) % members.len();
    let mut pairs: Vec<_> = members
        .iter()
        .flat_map(|member| Shard::all(count).map(|shard| (weight(shard, member), *member, shard)))
        .collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    let mut has: BTreeMap<&str, usize> = BTreeMap::new();
    let mut given = BTreeMap::new();
    for (_, member, shard) in pairs {
        let has = has.entry(member).or_default();
        if given.contains_key(&shard) || *has > few || (*has == few && more == 0) {
            continue;
        }
        more -= usize::from(*has == few);
        *has += 1;
        given.insert(shard, member);
    }
    given
}

/// The hash of `<shard> <member>`.
fn weight(shard: Shard, member: &str) -> u64 {
    hash(format!("{} {member}", shard.number()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("pod-{number}_5cb3f1d6-{number}")).collect()
    }

    fn of(members: &[String], count: u16) -> BTreeMap<Shard, &str> {
        assign(&members.iter().map(String::as_str).collect::<Vec<_>>(), count)
    }

    #[test]
    fn shares_differ_by_one() {
        for count in [1, 7, 64, 100] {
            for replicas in 1..=12 {
                let members = members(replicas);
                let given = of(&members, count);
                assert_eq!(given.len(), usize::from(count), "every shard has somebody");
                let sizes = members.iter().map(|member| given.values().filter(|given| *given == member).count());
                let few = usize::from(count) / replicas;
                assert!(
                    sizes.clone().all(|size| size == few || size == few + 1),
                    "{count} among {replicas}: {:?}",
                    sizes.collect::<Vec<_>>()
                );
            }
        }
        assert!(of(&[], 64).is_empty());
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let mut members = members(5);
        let given: BTreeMap<Shard, String> =
            of(&members, 64).into_iter().map(|(shard, member)| (shard, member.to_owned())).collect();
        members.reverse();
        assert!(of(&members, 64).iter().all(|(shard, member)| given.get(shard).map(String::as_str) == Some(member)));
    }

    #[test]
    fn few_move_when_one_comes() {
        for replicas in 1..10 {
            let after = members(replicas + 1);
            let (before, newcomer) = (of(&after[..replicas], 64), &after[replicas]);
            let after = of(&after, 64);
            let moved = after.iter().filter(|(shard, member)| before.get(shard) != Some(member)).count();
            let needed = after.values().filter(|member| *member == newcomer).count();
            assert!(moved <= 2 * needed + 4, "{moved} moved of {needed} that had to, with {replicas} and one more");
        }
    }
}
