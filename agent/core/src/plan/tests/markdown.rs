//! Plans for the comment of a pull request: never too long, never broken out of.

use proptest::prelude::*;

use super::super::markdown::{LONGEST, Page, to_markdown};
use super::super::view::View;
use super::super::*;
use super::world::World;

/// As many fences are opened as closed, and as many foldings; each starts its line.
#[track_caller]
fn is_closed(text: &str) {
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = line.trim_end_matches("text");
        match fence {
            None if ticks.len() >= 3 && ticks.chars().all(|c| c == '`') => fence = Some(ticks),
            Some(open) if line == open => fence = None,
            _ => {}
        }
    }
    assert_eq!(fence, None, "{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count(), "{text}");
}

/// A plan with this many changed fields.
fn large(fields: usize) -> View {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    let mut plan = world.plan();
    let What::Change { fields: all, .. } = &mut plan.actions[0].what else { panic!() };
    let one = all[0].clone();
    for number in 0..fields {
        all.push(diff::FieldChange { path: format!("spec.``` {number}"), ..one.clone() });
    }
    View::of(&plan)
}

#[test]
fn a_long_plan_is_cut_where_nothing_breaks_and_says_so() {
    let mut page = Page::new(LONGEST);
    page.plan(&large(5_000));
    page.conclusion("1 changed");
    let text = page.finish();
    assert!(text.chars().count() <= LONGEST, "{}", text.chars().count());
    assert!(text.chars().count() > LONGEST - 1_000, "there is room for more: {}", text.chars().count());
    assert!(text.contains("more lines do not fit here; `kompox-agent plan` prints them all"));
    is_closed(&text);
}

#[test]
fn many_apps_are_cut_too() {
    let mut page = Page::new(LONGEST);
    for _ in 0..300 {
        page.plan(&View::of(&World::gitea().plan()));
    }
    let text = page.finish();
    assert!(text.chars().count() <= LONGEST);
    is_closed(&text);
}

#[test]
fn a_hold_says_how_to_let_it_go() {
    let mut world = World::gitea();
    world.settings.new_disks = NewDisks::Hold;
    let text = to_markdown(&world.plan());
    assert!(text.contains("Kompox-Accept: ") && text.contains("| **HELD** |"), "{text}");
    is_closed(&text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_is_never_too_long_or_open(longest in 0_usize..3_000, fields in 0_usize..60, reason in "[a-z|`@<!\\[\n]{0,60}") {
        let mut view = large(fields);
        view.actions[0].reason = reason.clone();
        let mut page = Page::new(longest);
        page.plan(&view);
        page.note(&reason, "refused", &reason);
        page.conclusion(&reason);
        let text = page.finish();
        prop_assert!(text.chars().count() <= longest.max(200), "{}", text.chars().count());
        is_closed(&text);
        for row in text.lines().filter(|line| line.starts_with("| **")) {
            prop_assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{}", row);
        }
    }
}
