-- When the other side said that it will never take a notice: the clock does not bring such a one back.
ALTER TABLE notices ADD COLUMN refused_at timestamptz;
