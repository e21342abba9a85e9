//! `mark` where there is nothing to mark.

use crate::world::World;

#[test]
fn a_folder_without_images_is_said_to_be_that() {
    let world = World::new();
    std::fs::create_dir(world.path("empty")).unwrap();
    let said = |folder: &str| world.run(["mark", folder, "--offline"]).stderr;
    insta::assert_snapshot!(said("empty"), @"
no image was found: no file here has a name that ends in .yaml or .yml and names one
nothing to write
");
    world.write("some/a.yaml", "image: [none]\n");
    insta::assert_snapshot!(said("some"), @"
no image was found in 1 file that may name one
nothing to write
");
}
