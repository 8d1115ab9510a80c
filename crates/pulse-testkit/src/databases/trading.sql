CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE positions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity REAL NOT NULL,
    entry_price_cents INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
    opened_at TEXT NOT NULL,
    closed_at TEXT,
    pnl_cents INTEGER
);
CREATE TABLE trades (
    id INTEGER PRIMARY KEY,
    position_id INTEGER NOT NULL REFERENCES positions (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity REAL NOT NULL,
    price_cents INTEGER NOT NULL,
    executed_at TEXT NOT NULL
);
CREATE TABLE account_state (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    cash_cents INTEGER NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE tool_performance (
    id INTEGER PRIMARY KEY,
    tool_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    position_id INTEGER NOT NULL REFERENCES positions (id),
    profit_cents INTEGER NOT NULL,
    recorded_at TEXT NOT NULL
);
