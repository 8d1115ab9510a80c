//! A database like TPC-H's: its tables, keys and proportions, at any scale. Its figures are not TPC-H's and must not be
//! compared with published ones.

use rusqlite::{Connection, params};

use super::{Draw, date};

const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
const MODES: [&str; 7] = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
/// Days of orders; what is delivered comes up to 150 days later.
const DAYS: i64 = 2200;

/// The shapes of twelve of TPC-H's queries: 1, 3, 4, 5, 6, 10, 12, 13, 14, 17, 18 and 19.
pub const TPCH_STATEMENTS: &[&str] = &[
    "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), avg(l_discount), count(*) FROM lineitem
     WHERE l_shipdate <= '1998-06-01' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
    "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
     FROM customer, orders, lineitem WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
     AND o_orderdate < '1995-03-15' AND l_shipdate > '1995-03-15'
     GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10",
    "SELECT o_orderpriority, count(*) FROM orders WHERE o_orderdate >= '1993-07-01' AND o_orderdate < '1993-10-01'
     AND EXISTS (SELECT * FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate)
     GROUP BY o_orderpriority ORDER BY o_orderpriority",
    "SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
     FROM customer, orders, lineitem, supplier, nation, region WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey
     AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey
     AND r_name = 'ASIA' AND o_orderdate >= '1994-01-01' AND o_orderdate < '1995-01-01'
     GROUP BY n_name ORDER BY revenue DESC",
    "SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= '1994-01-01' AND l_shipdate < '1995-01-01'
     AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    "SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS revenue, c_acctbal, n_name
     FROM customer, orders, lineitem, nation WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey
     AND o_orderdate >= '1993-10-01' AND o_orderdate < '1994-01-01' AND l_returnflag = 'R' AND c_nationkey = n_nationkey
     GROUP BY c_custkey, c_name, c_acctbal, n_name ORDER BY revenue DESC LIMIT 20",
    "SELECT l_shipmode, sum(o_orderpriority IN ('1-URGENT', '2-HIGH')), count(*) FROM orders, lineitem
     WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
     AND l_shipdate < l_commitdate AND l_receiptdate >= '1994-01-01' AND l_receiptdate < '1995-01-01'
     GROUP BY l_shipmode ORDER BY l_shipmode",
    "SELECT c_count, count(*) AS custdist FROM (SELECT c_custkey, count(o_orderkey) AS c_count FROM customer
     LEFT JOIN orders ON c_custkey = o_custkey GROUP BY c_custkey) GROUP BY c_count ORDER BY custdist DESC, c_count DESC",
    "SELECT 100.0 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice ELSE 0 END) / sum(l_extendedprice)
     FROM lineitem, part WHERE l_partkey = p_partkey AND l_shipdate >= '1995-09-01' AND l_shipdate < '1995-10-01'",
    "SELECT sum(l_extendedprice) / 7.0 FROM lineitem, part WHERE p_partkey = l_partkey AND p_brand = 'Brand#23'
     AND p_container = 'MED BOX'
     AND l_quantity < (SELECT 0.2 * avg(l_quantity) FROM lineitem WHERE l_partkey = p_partkey)",
    "SELECT c_name, o_orderkey, o_totalprice, sum(l_quantity) FROM customer, orders, lineitem
     WHERE o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 200)
     AND c_custkey = o_custkey AND o_orderkey = l_orderkey
     GROUP BY c_name, o_orderkey, o_totalprice ORDER BY o_totalprice DESC LIMIT 100",
    "SELECT sum(l_extendedprice * (1 - l_discount)) FROM lineitem, part WHERE p_partkey = l_partkey
     AND ((p_brand = 'Brand#12' AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5)
     OR (p_brand = 'Brand#23' AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10))
     AND l_shipmode IN ('AIR', 'REG AIR')",
];

/// How many rows there are.
struct Sizes {
    suppliers: i64,
    parts: i64,
    customers: i64,
    orders: i64,
}

/// Fills an empty database. Scale 1 has 1.5 million orders with four lines each on average; tests want 0.001 to 0.05.
///
/// # Errors
/// When the database refuses, for instance since it is not empty.
pub fn tpch(connection: &Connection, seed: u64, scale: f64) -> rusqlite::Result<()> {
    let rows = |at_scale_1: f64| ((at_scale_1 * scale) as i64).max(5);
    let sizes = Sizes {
        suppliers: rows(10_000.0),
        parts: rows(200_000.0),
        customers: rows(150_000.0),
        orders: rows(1_500_000.0),
    };
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("tpch.sql"))?;
    let mut draw = Draw::new(seed);
    insert_places(&transaction)?;
    insert_parts(&transaction, &mut draw, &sizes)?;
    insert_customers(&transaction, &mut draw, &sizes)?;
    insert_orders(&transaction, &mut draw, &sizes)?;
    transaction.commit()
}

fn insert_places(connection: &Connection) -> rusqlite::Result<()> {
    for (key, name) in (0_i64..).zip(REGIONS) {
        connection.execute("INSERT INTO region VALUES (?1, ?2)", params![key, name])?;
    }
    for key in 0_i64..25 {
        connection.execute(
            "INSERT INTO nation VALUES (?1, ?2, ?3)",
            params![key, format!("NATION {key}"), key % 5],
        )?;
    }
    Ok(())
}

fn insert_parts(connection: &Connection, draw: &mut Draw, sizes: &Sizes) -> rusqlite::Result<()> {
    let mut supplier = connection.prepare("INSERT INTO supplier VALUES (?1, ?2, ?3, ?4)")?;
    for key in 1..=sizes.suppliers {
        supplier.execute(params![key, format!("Supplier#{key:09}"), draw.below(25), draw.money(10_000)])?;
    }
    let mut part = connection.prepare("INSERT INTO part VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut offer = connection.prepare("INSERT INTO partsupp VALUES (?1, ?2, ?3, ?4)")?;
    for key in 1..=sizes.parts {
        let name = format!(
            "{} {}",
            draw.one_of(&["almond", "azure", "forest", "ghost", "lemon", "misty"]),
            draw.one_of(&["chiffon", "linen", "navy", "olive", "peach"])
        );
        let brand = format!("Brand#{}{}", draw.below(5) + 1, draw.below(5) + 1);
        let kind = format!(
            "{} {}",
            draw.one_of(&["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"]),
            draw.one_of(&["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"])
        );
        let container =
            format!("{} {}", draw.one_of(&["SM", "MED", "LG"]), draw.one_of(&["BOX", "BAG", "CAN"]));
        part.execute(params![key, name, brand, kind, draw.below(50) + 1, container, draw.money(2000)])?;
        for number in 0..4.min(sizes.suppliers) {
            offer.execute(params![
                key,
                supplier_of(key, number, sizes),
                draw.below(9999) + 1,
                draw.money(1000)
            ])?;
        }
    }
    Ok(())
}

/// The n-th of the up to four suppliers of a part; they differ.
fn supplier_of(part: i64, number: i64, sizes: &Sizes) -> i64 {
    (part + number * (sizes.suppliers / 4).max(1)) % sizes.suppliers + 1
}

fn insert_customers(connection: &Connection, draw: &mut Draw, sizes: &Sizes) -> rusqlite::Result<()> {
    let mut customer = connection.prepare("INSERT INTO customer VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for key in 1..=sizes.customers {
        let nation = draw.below(25);
        let phone = format!("{}-{:03}-{:04}", nation + 10, draw.below(1000), draw.below(10_000));
        let name = format!("Customer#{key:09}");
        customer.execute(params![key, name, nation, phone, draw.money(10_000), draw.one_of(&SEGMENTS)])?;
    }
    Ok(())
}

fn insert_orders(connection: &Connection, draw: &mut Draw, sizes: &Sizes) -> rusqlite::Result<()> {
    let mut order = connection.prepare("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)")?;
    let mut line = connection.prepare(
        "INSERT INTO lineitem VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    for key in 1..=sizes.orders {
        // A third of the customers never order.
        let customer = (draw.below(sizes.customers) / 3 * 3 + 1 + key % 2).min(sizes.customers);
        let day = draw.below(DAYS);
        let status = draw.one_of(&["F", "F", "O", "O", "P"]);
        order.execute(params![
            key,
            customer,
            status,
            draw.money(400_000),
            date(day),
            draw.one_of(&PRIORITIES)
        ])?;
        for number in 0..=draw.below(7) {
            let part = draw.below(sizes.parts) + 1;
            let supplier = supplier_of(part, draw.below(4.min(sizes.suppliers)), sizes);
            let (quantity, shipped) = (draw.below(50) + 1, day + 1 + draw.below(120));
            let (committed, received) = (day + 30 + draw.below(60), shipped + 1 + draw.below(30));
            let flag = draw.one_of(&["A", "N", "N", "R"]);
            line.execute(params![
                key,
                part,
                supplier,
                number + 1,
                quantity as f64,
                quantity as f64 * draw.money(2000),
                draw.below(11) as f64 / 100.0,
                draw.below(9) as f64 / 100.0,
                flag,
                status,
                date(shipped),
                date(committed),
                date(received),
                draw.one_of(&MODES)
            ])?;
        }
    }
    Ok(())
}
