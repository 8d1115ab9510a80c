//! A database of everything that advice goes wrong about: names, skew, nulls, collations, keys and tables of every kind.

use rusqlite::{Connection, params};

use super::{Draw, date};

/// What reaches every corner of it.
pub const ADVERSARIAL_STATEMENTS: &[&str] = &[
    r#"SELECT "select", "from" FROM "order" WHERE "group by" = 'b' AND "it's" > 3 ORDER BY "Größe" DESC LIMIT 10"#,
    r#"SELECT count(*) FROM "x"" ; DROP TABLE users; --" x JOIN "order" o ON o."select" = x."order" WHERE x." " = 'y'"#,
    r#"SELECT "a.b" FROM "order" WHERE "a.b" IS NOT NULL"#,
    "SELECT 值 FROM 数据 WHERE 键 = 'k3'",
    "SELECT count(*) FROM 数据 WHERE 值 = 12",
    "SELECT id, payload FROM jobs WHERE status = 'open' ORDER BY priority",
    "SELECT count(*) FROM jobs WHERE status = 'done'",
    "SELECT id FROM jobs WHERE deleted_at IS NULL AND priority = 5",
    "SELECT id FROM jobs WHERE remark IS NOT NULL",
    "SELECT max(priority) FROM jobs",
    "SELECT * FROM open_jobs WHERE priority > 90",
    "SELECT id FROM people WHERE name = 'ANNA'",
    "SELECT id FROM people WHERE name LIKE 'ann%'",
    "SELECT id FROM people WHERE name = 'Anna' COLLATE BINARY",
    "SELECT id FROM people WHERE lower(email) = 'p7@example.com'",
    "SELECT id FROM people WHERE upper(email) = 'P7@EXAMPLE.COM'",
    "SELECT id, name FROM people ORDER BY born DESC, name LIMIT 5",
    "SELECT id FROM people WHERE CAST(id AS TEXT) = '7'",
    "SELECT id FROM people WHERE email LIKE '%@example.com' LIMIT 3",
    "SELECT grade FROM grades WHERE school = 'north' AND pupil = 3",
    "SELECT avg(grade) FROM grades WHERE subject = 'maths' AND school = 'south'",
    "SELECT pupil FROM grades WHERE grade = 1 AND pupil BETWEEN 3 AND 9",
    "SELECT value FROM settings WHERE key = 's1'",
    "SELECT id FROM boxes WHERE area = 12",
    "SELECT id FROM boxes WHERE label = 'box 3'",
    "SELECT id FROM boxes WHERE json_extract(details, '$.colour') = 'red'",
    "SELECT id FROM boxes WHERE details ->> '$.weight' > 90",
    "SELECT sum(amount) FROM sales WHERE country = 'de' AND store = 2",
    "SELECT p.name, sum(s.amount) FROM people p JOIN sales s ON s.person = p.id WHERE p.born < '1993-01-01' GROUP BY p.id",
    "SELECT child.id FROM sales parent JOIN sales child ON child.parent = parent.id WHERE parent.amount > 99",
    "SELECT id FROM sales WHERE coupon = 3 OR parent = 5",
    r#"SELECT * FROM "sales by store" WHERE amount > 10"#,
    "SELECT rowid FROM notes_text WHERE notes_text MATCH 'apple'",
    "SELECT n.id FROM notes n WHERE n.changed_at > '1993-06-01' ORDER BY n.changed_at DESC LIMIT 3",
    "SELECT id FROM places WHERE west > 10 AND east < 40",
    "SELECT id FROM empty WHERE value = 'x'",
    "WITH RECURSIVE tree (id, depth) AS (SELECT 1, 0 UNION ALL SELECT s.id, depth + 1 FROM sales s JOIN tree t ON s.parent = t.id
     WHERE depth < 5) SELECT max(depth) FROM tree",
    "SELECT id, row_number() OVER (PARTITION BY status ORDER BY priority DESC) FROM jobs WHERE priority < 3",
    "UPDATE jobs SET status = 'done' WHERE id = 12",
    "DELETE FROM sales WHERE id = 3",
    "INSERT INTO notes (title, body, changed_at) VALUES ('new', 'apple pie', '2000-01-01')",
];

/// Fills an empty database with a few thousand rows.
///
/// # Errors
/// When the database refuses, for instance since it is not empty, or was compiled without FTS5 or R-trees.
pub fn adversarial(connection: &Connection, seed: u64) -> rusqlite::Result<()> {
    // A key that names a missing table, and one of another type, are part of it.
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("adversarial.sql"))?;
    let mut draw = Draw::new(seed);
    insert_odd_names(&transaction, &mut draw)?;
    insert_jobs(&transaction, &mut draw)?;
    insert_people(&transaction, &mut draw)?;
    insert_keyed(&transaction, &mut draw)?;
    insert_boxes(&transaction, &mut draw)?;
    insert_sales(&transaction, &mut draw)?;
    insert_notes(&transaction, &mut draw)?;
    transaction.commit()
}

fn insert_odd_names(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut order = connection.prepare(r#"INSERT INTO "order" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"#)?;
    let mut line = connection.prepare(r#"INSERT INTO "x"" ; DROP TABLE users; --" VALUES (NULL, ?1, ?2)"#)?;
    for id in 1..=600_i64 {
        let group = draw.one_of(&["a", "b", "c"]);
        let dotted = draw.happens(20).then_some("x.y");
        order.execute(params![id, "here", group, "\"'", draw.below(10), draw.money(90), dotted])?;
        line.execute(params![draw.below(600) + 1, draw.one_of(&["y", "n", ""])])?;
    }
    let mut other = connection.prepare("INSERT INTO 数据 VALUES (?1, ?2)")?;
    for number in 0..400_i64 {
        other.execute(params![format!("k{number}"), draw.below(50)])?;
    }
    Ok(())
}

fn insert_jobs(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut job = connection.prepare("INSERT OR IGNORE INTO jobs VALUES (?1, ?2, ?3, ?4, NULL, ?5)")?;
    let mut entry = connection.prepare("INSERT INTO audit VALUES (NULL, ?1, ?2, '1999-01-01')")?;
    for id in 1..=3000_i64 {
        let status = if draw.happens(3) { "open" } else { "done" };
        let priority = draw.happens(900).then(|| draw.below(100));
        let deleted = draw.happens(10).then(|| date(draw.below(1000)));
        job.execute(params![id, status, priority, deleted, "x".repeat(draw.below(60) as usize)])?;
        if draw.happens(300) {
            entry.execute(params![id, draw.one_of(&["last", "opened", "closed"])])?;
        }
    }
    Ok(())
}

fn insert_people(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut person = connection.prepare("INSERT INTO people VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for id in 1..=800_i64 {
        let name = draw.one_of(&["Anna", "anna", "ANNA", "Ben", "Çelik", "dora", "Émile", "Zoë"]);
        let code = format!("c{}{}", draw.below(300), draw.one_of(&["", " ", "  "]));
        // Nulls do not repeat each other, so that a unique index holds many.
        let email = draw.happens(900).then(|| format!("P{id}@Example.com"));
        person.execute(params![id, name, code, email, date(draw.below(2000))])?;
    }
    Ok(())
}

fn insert_keyed(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut grade = connection.prepare("INSERT INTO grades VALUES (?1, ?2, ?3, ?4)")?;
    for school in ["north", "south", "west"] {
        for pupil in 1..=100_i64 {
            for subject in ["maths", "music", "sports"] {
                grade.execute(params![school, pupil, subject, draw.below(6) + 1])?;
            }
        }
    }
    let mut setting = connection.prepare("INSERT INTO settings VALUES (?1, ?2)")?;
    for number in 0..20_i64 {
        setting.execute(params![format!("s{number}"), draw.below(9)])?;
    }
    Ok(())
}

fn insert_boxes(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut made = connection.prepare("INSERT INTO boxes (wide, high, details) VALUES (?1, ?2, ?3)")?;
    let mut place = connection.prepare("INSERT INTO places VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for id in 1..=500_i64 {
        let details =
            format!(r#"{{"colour": "{}", "weight": {}}}"#, draw.one_of(&["red", "blue"]), draw.below(100));
        made.execute(params![draw.below(9), draw.below(9), details])?;
        let (west, south) = (draw.below(90), draw.below(90));
        place.execute(params![id, west, west + draw.below(9), south, south + draw.below(9)])?;
    }
    Ok(())
}

fn insert_sales(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut store = connection.prepare("INSERT INTO stores VALUES (?1, ?2, ?3)")?;
    for country in ["de", "fr", "it"] {
        for number in 1..=10_i64 {
            store.execute(params![country, number, format!("{country} {number}")])?;
        }
    }
    let mut sale = connection.prepare("INSERT INTO sales VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for id in 1..=1500_i64 {
        let parent = draw.happens(300).then(|| draw.skewed(id - 1) + 1).filter(|parent| *parent < id);
        let coupon = draw.happens(50).then(|| draw.below(9));
        let person = (draw.skewed(800) + 1).to_string();
        let country = draw.one_of(&["de", "fr", "it"]);
        sale.execute(params![id, country, draw.below(10) + 1, parent, coupon, person, draw.money(100)])?;
    }
    Ok(())
}

fn insert_notes(connection: &Connection, draw: &mut Draw) -> rusqlite::Result<()> {
    let mut note = connection.prepare("INSERT INTO notes (title, body, changed_at) VALUES (?1, ?2, ?3)")?;
    for _ in 0..300 {
        let words = ["apple", "pear", "plum", "fig"];
        let body = format!("{} {} {}", draw.one_of(&words), draw.one_of(&words), draw.one_of(&words));
        note.execute(params![draw.one_of(&words), body, date(draw.below(1000))])?;
    }
    Ok(())
}
